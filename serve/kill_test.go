package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve"
	"github.com/ldm-go/ldm/serve/servetest"
)

// These make the test's program a server, which can be killed.
const (
	dataEnv = "LDM_TEST_SERVER_DATA"
	natsEnv = "LDM_TEST_SERVER_NATS"
	roleEnv = "LDM_TEST_SERVER_ROLE"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(dataEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	cfg := serve.DefaultConfig()
	cfg.Listen, cfg.Data, cfg.Models = "127.0.0.1:0", dir, servetest.New(time.Millisecond)
	cfg.Queue, cfg.Log = 1000, slog.New(slog.DiscardHandler)
	if cfg.NATS = os.Getenv(natsEnv); cfg.NATS != "" {
		cfg.Role, cfg.Replicas, cfg.Queue = serve.Role(os.Getenv(roleEnv)), 3, clusterQueue
		cfg.Models = servetest.New(5 * time.Millisecond)
	}
	s, err := serve.New(context.Background(), cfg)
	if err == nil {
		err = s.Run(context.Background(), func(a net.Addr) { fmt.Println(a) })
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child is a server in a process of its own.
type child struct {
	cmd *exec.Cmd
	url string
}

func spawn(t *testing.T, dir string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), dataEnv+"="+dir), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server does not start: %v", err)
	}
	return &child{cmd, "http://" + strings.TrimSpace(line)}
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// TestKill: a server is killed at fifty random moments while jobs come in; every
// job that was accepted is done in the end, with its pictures, and once.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 50
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	random := rand.New(rand.NewSource(1))
	accepted := map[string]bool{}
	for k := 0; k < kills || len(accepted) < kills/2 && k < 20*kills; k++ { // a busy machine accepts few in a moment
		c := spawn(t, dir)
		end := time.Now().Add(time.Duration(1+random.Intn(80)) * time.Millisecond)
		go func() {
			time.Sleep(time.Until(end))
			c.cmd.Process.Kill()
		}()
		for time.Now().Before(end) && len(accepted) < 500 {
			if id := post(c.url); id != "" {
				accepted[id] = true
			}
		}
		c.cmd.Wait()
	}
	if len(accepted) < kills/2 {
		t.Fatalf("only %d jobs were accepted", len(accepted))
	}
	c := spawn(t, dir)
	defer c.kill()
	end := time.Now().Add(time.Minute)
	for id := range accepted {
		for {
			j := get(c.url + "/v1/jobs/" + id)
			if j["status"] == "succeeded" {
				images := j["images"].([]any)
				if len(images) != 1 || getStatus(c.url+images[0].(m)["url"].(string)) != 200 {
					t.Errorf("%s: pictures %v", id, images)
				}
				break
			}
			if j["status"] != "queued" && j["status"] != "running" || time.Now().After(end) {
				// A job that was in work at three kills is given up by name.
				if e, ok := j["error"].(m); !ok || e["code"] != "worker_lost" {
					t.Errorf("%s is %v: %v", id, j["status"], j["error"])
				}
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	t.Logf("%d jobs accepted over %d kills", len(accepted), kills)
}

// post makes a job and returns its id, or "" where there was no answer.
func post(url string) string {
	resp, err := http.Post(url+"/v1/jobs", "application/json", strings.NewReader(`{"prompt":"x","steps":3}`))
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var j struct {
		ID string `json:"id"`
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 202 || json.Unmarshal(data, &j) != nil {
		return ""
	}
	return j.ID
}

func get(url string) m {
	resp, err := http.Get(url)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var v m
	json.NewDecoder(resp.Body).Decode(&v)
	return v
}

func getStatus(url string) int {
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
