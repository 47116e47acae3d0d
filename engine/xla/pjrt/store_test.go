package pjrt

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/hosts"
)

// TestStore: clients of three nodes find each other by a store that rank 0 would serve:
// through a plugin of the test's own, which calls from threads of C, wants each error to
// be of its kind, and gives back every value.
func TestStore(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("there is no gcc, which makes the plugin of this test")
	}
	path := filepath.Join(t.TempDir(), "fake.so")
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O1", "-o", path, "testdata/fake.c", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	plugin, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.NewClient(map[string]any{"node_id": int64(0), "num_nodes": int64(1)}, nil); err == nil || !strings.Contains(err.Error(), "there is no store") {
		t.Errorf("without a store: %v", err)
	}
	const nodes, token = 3, "a secret of the test"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := hosts.ServeKeys(l, token)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for attempt := range 2 { // keys of an earlier attempt are not seen
		var clients [nodes]*Client
		var errs [nodes]error
		var all sync.WaitGroup
		for node := range nodes {
			all.Add(1)
			go func() {
				defer all.Done()
				keys, err := hosts.NewKeys(l.Addr().String(), token, fmt.Sprintf("job/%d", attempt))
				if err != nil {
					errs[node] = err
					return
				}
				clients[node], errs[node] = plugin.NewClient(map[string]any{"node_id": int64(node), "num_nodes": int64(nodes)}, keys)
			}()
		}
		all.Wait()
		for node, c := range clients {
			if errs[node] != nil {
				t.Fatalf("node %d: %v", node, errs[node])
			}
			if want := "node 0 of 3;node 1 of 3;node 2 of 3;"; c.Platform != "fake" || c.Version != want {
				t.Errorf("node %d knows %q, want %q", node, c.Version, want)
			}
			c.Close()
		}
	}
	lent.Range(func(any, any) bool {
		t.Error("a value was not given back")
		return false
	})
}
