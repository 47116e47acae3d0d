package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/s3"
	"github.com/ldm-go/ldm/serve/store/storetest"
)

// fake is as much of an object store as a client of blobs needs, with a bucket "pics". It
// checks no signatures.
type fake struct {
	mu      sync.Mutex
	objects map[string][]byte
	full    bool
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key, inside := strings.CutPrefix(r.URL.Path, "/pics/")
	switch {
	case r.Header.Get("Authorization") == "":
		refuse(w, http.StatusForbidden, "AccessDenied")
	case !inside:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.Method == http.MethodHead:
	case key == "" && r.URL.Query().Has("location"):
		fmt.Fprint(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)
	case key == "":
		f.list(w, r)
	case r.Method == http.MethodPut && f.full:
		refuse(w, http.StatusInsufficientStorage, "XMinioStorageFull")
	case r.Method == http.MethodPut:
		data, err := body(r)
		if err != nil {
			refuse(w, http.StatusBadRequest, "IncompleteBody")
			return
		}
		f.objects[key] = data
		w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		data, ok := f.objects[key]
		if !ok {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
		w.Header().Set("Last-Modified", "Mon, 30 Nov 2026 12:00:00 GMT")
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

// body reads what was put, out of signed chunks where it comes so.
func body(r *http.Request) ([]byte, error) {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return io.ReadAll(r.Body)
	}
	var out bytes.Buffer
	for in := bufio.NewReader(r.Body); ; {
		var n int64
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil || n == 0 {
			return out.Bytes(), err
		}
		if _, err := io.CopyN(&out, in, n); err != nil {
			return nil, err
		}
		in.Discard(2)
	}
}

// list answers two objects at a time.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	type content struct {
		Key  string
		Size int
	}
	var answer struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}
	var keys []string
	q := r.URL.Query()
	for key := range f.objects {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("continuation-token") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) > 2 {
		keys = keys[:2]
		answer.IsTruncated, answer.NextContinuationToken = true, keys[1]
	}
	for _, key := range keys {
		answer.Contents = append(answer.Contents, content{key, len(f.objects[key])})
	}
	w.Header().Set("Content-Type", "application/xml")
	xml.NewEncoder(w).Encode(answer)
}

func serve(t *testing.T) (*fake, string) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	f := &fake{objects: map[string][]byte{"other": []byte("of somebody else")}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s.URL
}

func TestBlobs(t *testing.T) {
	f, url := serve(t)
	for _, folder := range []string{"", "/ldm/pictures"} {
		b, err := s3.Open(t.Context(), url+"/pics"+folder)
		if err != nil {
			t.Fatal(err)
		}
		storetest.RunBlobs(t, b)
		f.objects = map[string][]byte{"other": []byte("of somebody else")}
	}
}

// TestRefusals: what is wrong with an address is said, a full store is no space, and names
// lead nowhere else.
func TestRefusals(t *testing.T) {
	f, url := serve(t)
	for address, say := range map[string]string{
		"host/pics": "https://HOST/BUCKET", "ftp://host/pics": "https://HOST/BUCKET", "https://key:secret@host/pics": "without a key", url: "names no bucket", url + "/nothing": "no bucket",
	} {
		if _, err := s3.Open(t.Context(), address); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", address, err, say)
		}
	}
	b, err := s3.Open(t.Context(), url+"/pics")
	if err != nil {
		t.Fatal(err)
	}
	id := storetest.New("k").ID
	for _, name := range []string{"../other", "", ".x", "a/b"} {
		if err := b.Put(t.Context(), id, name, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("blob %q: %v", name, err)
		}
	}
	f.full = true
	if err := b.Put(t.Context(), id, "a", []byte("x")); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("a full store: %v", err)
	}
}

// TestServer does the same with a server that others wrote, testdata/server, which CI
// builds: its address is what it prints.
func TestServer(t *testing.T) {
	program := os.Getenv("LDM_S3_SERVER")
	if program == "" {
		t.Skip("the server of testdata/server is not built")
	}
	serve(t) // for the keys
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "pics")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		cmd.Wait()
	}()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	b, err := s3.Open(t.Context(), strings.TrimSpace(url)+"/pics/folder")
	if err != nil {
		t.Fatal(err)
	}
	storetest.RunBlobs(t, b)
}
