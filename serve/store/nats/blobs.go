package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ldm-go/ldm/serve/store"
)

// Blobs keeps pictures in JetStream's object store, under the job's id and the
// blob's name. It is a store.Blobs.
type Blobs struct{ objects jetstream.ObjectStore }

// Blobs is where the pictures of the jobs are.
func (s *Store) Blobs() Blobs { return Blobs{s.blobs} }

// Put implements store.Blobs.
func (b Blobs) Put(ctx context.Context, id, name string, data []byte) error {
	return try(ctx, func(ctx context.Context) error {
		_, err := b.objects.PutBytes(ctx, id+"/"+name, data)
		return err
	})
}

// Write implements store.Blobs.
func (b Blobs) Write(ctx context.Context, id, name string, data []byte) error {
	return b.Put(ctx, id, name, data)
}

// Get implements store.Blobs.
func (b Blobs) Get(ctx context.Context, id, name string) ([]byte, error) {
	var data []byte
	err := try(ctx, func(ctx context.Context) (err error) {
		data, err = b.objects.GetBytes(ctx, id+"/"+name)
		return err
	})
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		err = fmt.Errorf("%w: blob %q of %q", store.ErrNotFound, name, id)
	}
	return data, err
}

// list returns what is known of all blobs.
func (b Blobs) list(ctx context.Context) ([]*jetstream.ObjectInfo, error) {
	infos, err := b.objects.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		err = nil
	}
	return infos, err
}

// DeleteAll implements store.Blobs.
func (b Blobs) DeleteAll(ctx context.Context, id string) error {
	infos, err := b.list(ctx)
	for _, info := range infos {
		if strings.HasPrefix(info.Name, id+"/") {
			err = errors.Join(err, b.objects.Delete(ctx, info.Name))
		}
	}
	return err
}

// Sizes implements store.Blobs.
func (b Blobs) Sizes(ctx context.Context) (map[string]int64, error) {
	sizes := map[string]int64{}
	infos, err := b.list(ctx)
	for _, info := range infos {
		id, _, _ := strings.Cut(info.Name, "/")
		sizes[id] += int64(info.Size)
	}
	return sizes, err
}
