package serve_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ldm-go/ldm/internal/testsize"
)

// clusterQueue is how many jobs may wait in the whole cluster.
const clusterQueue = 60

// natsCluster starts three servers on loopback that replicate to each other.
func natsCluster(t *testing.T) []*server.Server {
	t.Helper()
	ports := make([]int, 3)
	var routes []string
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		routes = append(routes, fmt.Sprint("nats://127.0.0.1:", ports[i]))
		l.Close()
	}
	var servers []*server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}, Routes: server.RoutesFromStr(strings.Join(routes, ",")),
		})
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(30 * time.Second) {
			t.Fatal("a NATS server does not start")
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		leaders, peers := 0, 0
		for _, s := range servers {
			if s.JetStreamIsLeader() {
				leaders++
				peers = len(s.JetStreamClusterPeers())
			}
		}
		if leaders == 1 && peers == 3 {
			return servers
		}
		if time.Now().After(end) {
			t.Fatal("the NATS servers do not find each other")
		}
	}
}

// streamLeader is the server that leads the stream of a bucket.
func streamLeader(t *testing.T, url string, servers []*server.Server) *server.Server {
	t.Helper()
	conn, err := client.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KV_LDM_STATE")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if s.Name() == stream.CachedInfo().Cluster.Leader {
			return s
		}
	}
	t.Fatal("the stream has no leader")
	return nil
}

// TestCluster: three NATS servers, two API servers and four workers. In the middle
// of a hundred jobs the leader of the stream, a worker and an API server are
// killed. Each job is done once in what clients see.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster takes its time")
	}
	t.Parallel()
	servers := natsCluster(t)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	env := natsEnv + "=" + strings.Join(urls, ",")
	apis := []*child{spawn(t, t.TempDir(), env, roleEnv+"=api"), spawn(t, t.TempDir(), env, roleEnv+"=api")}
	var workers []*child
	for range 4 {
		workers = append(workers, spawn(t, t.TempDir(), env, roleEnv+"=worker"))
	}
	defer func() {
		for _, c := range append(apis, workers...) {
			c.kill()
		}
	}()
	waitReady(t, apis[0].url)
	waitReady(t, apis[1].url)

	jobs := testsize.Pick(0, 30, 100)
	var once sync.Once
	ids := map[string]bool{}
	refused, answers := 0, map[int]int{}
	for end := time.Now().Add(2 * time.Minute); len(ids) < jobs; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d jobs were accepted; answers %v", len(ids), jobs, answers)
		}
		if len(ids) == jobs/2 {
			once.Do(func() {
				leader := streamLeader(t, urls[0], servers)
				leader.Shutdown()
				workers[0].kill()
				apis[0].kill()
			})
		}
		url := apis[len(ids)%2].url
		if len(ids) >= jobs/2 {
			url = apis[1].url
		}
		id, status := postNamed(url, fmt.Sprint("job-", len(ids)))
		answers[status]++
		switch {
		case id != "":
			ids[id] = true
		case status == 429:
			refused++
			time.Sleep(20 * time.Millisecond)
		default:
			time.Sleep(50 * time.Millisecond)
		}
	}
	if len(ids) != jobs {
		t.Errorf("%d jobs for %d requests", len(ids), jobs)
	}
	end := time.Now().Add(2 * time.Minute)
	for id := range ids {
		for {
			j := get(apis[1].url + "/v1/jobs/" + id)
			if j["status"] == "succeeded" {
				if images := j["images"].([]any); len(images) != 1 || getStatus(apis[1].url+images[0].(m)["url"].(string)) != 200 {
					t.Errorf("%s has %v", id, images)
				}
				break
			}
			if j["status"] == "failed" || j["status"] == "cancelled" || time.Now().After(end) {
				t.Errorf("%s is %v: %v", id, j["status"], j["error"])
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	t.Logf("%d requests were refused while the queue was full", refused)
}

func waitReady(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); getStatus(url+"/readyz") != 200; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the API server finds no worker")
		}
	}
}

// postNamed makes a job under an idempotency key, so that a request whose answer
// was lost can be sent again.
func postNamed(url, name string) (id string, status int) {
	req, _ := http.NewRequest("POST", url+"/v1/jobs", strings.NewReader(`{"prompt":"x","steps":10}`))
	req.Header.Set("Idempotency-Key", name)
	resp, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return "", 0
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	var j struct {
		ID string `json:"id"`
	}
	if resp.StatusCode == 202 && json.Unmarshal(data, &j) == nil {
		return j.ID, 202
	}
	return "", resp.StatusCode
}
