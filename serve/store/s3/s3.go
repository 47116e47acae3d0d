// Package s3 keeps the pictures of jobs in a bucket of an object store that speaks S3:
// Amazon's, MinIO, Ceph, Garage and others.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Blobs is a store.Blobs. A blob is an object named by its job and its name.
type Blobs struct {
	client *minio.Client
	bucket string
	prefix string // "", or with / at its end
}

// Open finds the bucket of an address https://HOST/BUCKET, or https://HOST/BUCKET/FOLDER.
// Who asks is said by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, by
// the file of Amazon's programs, or by the machine's role; AWS_REGION is heeded.
func Open(ctx context.Context, address string) (*Blobs, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("an object store has the form https://HOST/BUCKET, or https://HOST/BUCKET/FOLDER, without a key")
	}
	bucket, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if bucket == "" {
		return nil, fmt.Errorf("%s names no bucket: want https://HOST/BUCKET", address)
	}
	if prefix != "" {
		prefix += "/"
	}
	c, err := minio.New(u.Host, &minio.Options{
		Secure: u.Scheme == "https", Region: os.Getenv("AWS_REGION"),
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: http.DefaultClient},
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	there, err := c.BucketExists(ctx, bucket)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	if !there {
		return nil, fmt.Errorf("%s: there is no bucket %q, or its name is not told to this key", address, bucket)
	}
	return &Blobs{c, bucket, prefix}, nil
}

// key is the name of a blob's object.
func (b *Blobs) key(id, name string) (string, error) {
	if !job.ValidID(id) || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%w: blob %q of %q", store.ErrNotFound, name, id)
	}
	return b.prefix + id + "/" + name, nil
}

// Put implements store.Blobs.
func (b *Blobs) Put(ctx context.Context, id, name string, data []byte) error {
	key, err := b.key(id, name)
	if err != nil {
		return err
	}
	_, err = b.client.PutObject(ctx, b.bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return known(err)
}

// Write implements store.Blobs.
func (b *Blobs) Write(ctx context.Context, id, name string, data []byte) error {
	return b.Put(ctx, id, name, data)
}

// Get implements store.Blobs.
func (b *Blobs) Get(ctx context.Context, id, name string) ([]byte, error) {
	key, err := b.key(id, name)
	if err != nil {
		return nil, err
	}
	object, err := b.client.GetObject(ctx, b.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, known(err)
	}
	defer object.Close()
	data, err := io.ReadAll(object)
	return data, known(err)
}

// list calls do with every object below a name.
func (b *Blobs) list(ctx context.Context, prefix string, do func(minio.ObjectInfo) error) error {
	ctx, stop := context.WithCancel(ctx) // it lists in the background
	defer stop()
	for o := range b.client.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return known(o.Err)
		}
		if err := do(o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// DeleteAll implements store.Blobs.
func (b *Blobs) DeleteAll(ctx context.Context, id string) error {
	if !job.ValidID(id) {
		return nil
	}
	return b.list(ctx, b.prefix+id+"/", func(o minio.ObjectInfo) error {
		return known(b.client.RemoveObject(ctx, b.bucket, o.Key, minio.RemoveObjectOptions{}))
	})
}

// Sizes implements store.Blobs.
func (b *Blobs) Sizes(ctx context.Context) (map[string]int64, error) {
	sizes := map[string]int64{}
	err := b.list(ctx, b.prefix, func(o minio.ObjectInfo) error {
		if id := path.Dir(strings.TrimPrefix(o.Key, b.prefix)); job.ValidID(id) { // others may have objects there
			sizes[id] += o.Size
		}
		return nil
	})
	return sizes, err
}

// known gives errors of the object store their names.
func known(err error) error {
	if err == nil {
		return nil
	}
	switch r := minio.ToErrorResponse(err); {
	case r.Code == minio.NoSuchKey:
		return fmt.Errorf("%w: %w", store.ErrNotFound, err)
	case r.StatusCode == http.StatusInsufficientStorage, r.Code == "XMinioStorageFull", r.Code == "XMinioAdminBucketQuotaExceeded", r.Code == "QuotaExceeded":
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	return err
}
