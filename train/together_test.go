package train

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/hosts"
)

// ports are n free addresses of this machine.
func ports(t testing.TB, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}

// across trains in n processes' stead, each with an engine and a folder of its own, and
// returns rank 0's folder and the errors.
func across(t *testing.T, n int, train func(rank int, run Run) error) (string, []error) {
	t.Helper()
	list, dir := ports(t, n), t.TempDir()
	errs := make([]error, n)
	var all sync.WaitGroup
	for rank := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[rank] = train(rank, Run{
				Dir: filepath.Join(dir, string(rune('0'+rank))), Engine: cpu.New(cpu.Options{Threads: 1}),
				Hosts: hosts.Options{Addresses: list, Rank: rank, Wait: time.Minute},
			})
		}()
	}
	all.Wait()
	return filepath.Join(dir, "0"), errs
}

func autoencoderWith(t testing.TB, text, folder string, overrides ...string) func(run Run) error {
	return func(run Run) error {
		cfg := DefaultAutoencoder()
		if err := config.Parse(&cfg, "tiny", []byte(text), append([]string{"data.train=" + folder, "data.validation=" + folder}, overrides...)); err != nil {
			t.Fatal(err)
		}
		return Autoencoder(context.Background(), cfg, run)
	}
}

// TestProcesses: two and four processes leave the bits of one that computes as many
// parts, for first stages with a discriminator's statistics or a codebook too.
func TestProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	folder := t.TempDir()
	pictures(t, folder)
	judged := []string{"loss.discriminator.weight=0.5", "loss.discriminator.start=1", "loss.discriminator.layers=2", "loss.discriminator.channels=8", "train.steps=3"}
	for _, c := range []struct {
		name, text       string
		processes, parts string
		overrides        []string
		long             bool
	}{
		{"kl", tinyAutoencoder, "2", "2", []string{"train.steps=3"}, false},
		{"kl accumulated", tinyAutoencoder, "2", "4", []string{"train.steps=2", "train.accumulate=2"}, true},
		{"kl by four", tinyAutoencoder, "4", "4", []string{"train.steps=2"}, true},
		{"kl judged", tinyAutoencoder, "2", "2", judged, true},
		{"vq", tinyVQ, "2", "2", []string{"train.steps=4", "codebook.restart_every=2"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.long && testing.Short() {
				t.Skip("trains many times")
			}
			train := autoencoderWith(t, c.text, folder, append(c.overrides, "train.parts="+c.parts)...)
			one := t.TempDir()
			if err := train(Run{Dir: one, Engine: cpu.New(cpu.Options{})}); err != nil {
				t.Fatal(err)
			}
			many, errs := across(t, int(c.processes[0]-'0'), func(_ int, run Run) error { return train(run) })
			for rank, err := range errs {
				if err != nil {
					t.Fatalf("rank %d: %v", rank, err)
				}
			}
			sameTensors(t, filepath.Join(one, CheckpointFile), filepath.Join(many, CheckpointFile))
			sameTensors(t, filepath.Join(one, ModelFile), filepath.Join(many, ModelFile))
			sameMetrics(t, one, many)
		})
	}
}

var perStep = regexp.MustCompile(`"speed/seconds_per_step":[^,}]*`)

// sameMetrics compares what was logged, but for the time it took.
func sameMetrics(t *testing.T, a, b string) {
	t.Helper()
	read := func(dir string) string {
		raw, err := os.ReadFile(filepath.Join(dir, MetricsFile))
		if err != nil {
			t.Fatal(err)
		}
		return perStep.ReplaceAllString(string(raw), "")
	}
	if a, b := read(a), read(b); a != b {
		t.Errorf("logged %s and %s", a, b)
	}
}

// TestProcessesDiffusion: the same for the second stage. A batch of four in one program
// comes to the same but for rounding, as a product sums over the pictures inside.
func TestProcessesDiffusion(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	folder, first := t.TempDir(), t.TempDir()
	pictures(t, folder)
	if err := trainAutoencoder(t, folder, first, "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	train := func(run Run, overrides ...string) error {
		cfg := DefaultDiffusion()
		overrides = append(overrides, "first_stage="+filepath.Join(first, ModelFile), "data.train="+folder, "train.steps=2", "train.sample_every=2")
		if err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), overrides); err != nil {
			t.Fatal(err)
		}
		return Diffusion(context.Background(), cfg, run)
	}
	one, accumulated, whole := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, override := range map[string]string{one: "train.parts=2", accumulated: "train.accumulate=2", whole: "train.batch_size=4"} {
		if err := train(Run{Dir: dir, Engine: cpu.New(cpu.Options{})}, override); err != nil {
			t.Fatal(err)
		}
	}
	two, errs := across(t, 2, func(_ int, run Run) error { return train(run) })
	for rank, err := range errs {
		if err != nil {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	sameTensors(t, filepath.Join(one, CheckpointFile), filepath.Join(two, CheckpointFile))
	sameTensors(t, filepath.Join(accumulated, CheckpointFile), filepath.Join(two, CheckpointFile))
	near(t, filepath.Join(whole, ModelFile), filepath.Join(two, ModelFile), 1e-4)
}

// near compares the tensors of two files.
func near(t *testing.T, a, b string, most float64) {
	t.Helper()
	fa, fb := openFile(t, a), openFile(t, b)
	for _, name := range fa.Names() {
		x, errX := fa.Read(name)
		y, errY := fb.Read(name)
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		sum, square := 0., 0.
		for i, v := range x.F32 {
			d := float64(v - y.F32[i])
			sum, square = sum+d*d, square+float64(v)*float64(v)
		}
		if sum > most*most*square {
			t.Errorf("%s differs by %g of %g", name, sum, square)
		}
	}
}

// TestProcessesDiffer: what is not the same everywhere is named everywhere.
func TestProcessesDiffer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	folder := t.TempDir()
	pictures(t, folder)
	_, errs := across(t, 2, func(rank int, run Run) error {
		seed := "train.seed=1"
		if rank == 1 {
			seed = "train.seed=2"
		}
		return autoencoderWith(t, tinyAutoencoder, folder, seed, "train.steps=2")(run)
	})
	for rank, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "train.seed (rank 0: 1, rank 1: 2)") {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

// TestPartsOfProcesses: how a step is shared out.
func TestPartsOfProcesses(t *testing.T) {
	two := hosts.Options{Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"}, Rank: 1}
	for parts, want := range map[int]int{0: 2, 2: 2, 4: 4, 8: 8, 1: -1, 3: -1, 6: -1} {
		l, err := Loop{Parts: parts, Accumulate: 3}.sharedBy(two)
		if (err != nil) != (want < 0) || err == nil && l.Parts != want {
			t.Errorf("parts %d: %d, %v", parts, l.Parts, err)
		}
	}
	l := Loop{Parts: 4, Accumulate: 3}
	run := Run{Hosts: two}
	next := run.following(l)
	at := l.batch(1, 2, 0) - 1
	for n := 1; n <= 3; n++ {
		for part := 2; part < 4; part++ {
			for k := range 3 {
				if want := l.batch(n, part, k) - 1; at != want {
					t.Fatalf("step %d, part %d, batch %d: %d, want %d", n, part, k, at, want)
				}
				at = next(at)
			}
		}
	}
}

// hostsTest holds the arguments of a process of TestProcessKilled: its folder, its rank
// and the addresses.
const hostsTest = "LDM_TEST_HOSTS"

// TestProcessKilled: when one of two processes is killed, whichever it is, the other
// notices, saves and says so; the same commands then go on to the bits of a run that
// nothing happened to.
func TestProcessKilled(t *testing.T) {
	steps := []string{"train.steps=60", "train.save_every=1000", "train.validate_every=1000", "train.sample_every=1000", "train.log_every=1"}
	if args := strings.Split(os.Getenv(hostsTest), " "); len(args) == 3 {
		rank := int(args[1][0] - '0')
		err := autoencoderWith(t, tinyAutoencoder, filepath.Join(args[0], "pictures"), steps...)(Run{
			Dir: filepath.Join(args[0], args[1]), Engine: cpu.New(cpu.Options{Threads: 1}),
			Hosts: hosts.Options{Addresses: strings.Split(args[2], ","), Rank: rank, Wait: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	folder := filepath.Join(dir, "pictures")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	pictures(t, folder)
	start := func() (children [2]*exec.Cmd, said [2]*strings.Builder) {
		list := strings.Join(ports(t, 2), ",")
		for rank := range children {
			c := exec.Command(os.Args[0], "-test.run=^TestProcessKilled$")
			c.Env = append(os.Environ(), hostsTest+"="+dir+" "+string(rune('0'+rank))+" "+list)
			said[rank] = &strings.Builder{}
			c.Stdout, c.Stderr = said[rank], said[rank]
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			children[rank] = c
		}
		return children, said
	}
	for killed := range 2 {
		children, said := start()
		for end := time.Now().Add(2 * time.Minute); !steppedOn(dir, killed); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no step was done: %s %s", said[0], said[1])
			}
		}
		children[killed].Process.Kill()
		children[killed].Wait()
		begun := time.Now()
		children[1-killed].Wait()
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("rank %d went on for %v", 1-killed, took)
		}
		text := said[1-killed].String()
		left := filepath.Join(dir, string(rune('0'+1-killed)))
		if !strings.Contains(text, "is gone") || !strings.Contains(text, "and the same command goes on from it") || savedStep(t, left) == "" {
			t.Errorf("rank %d after rank %d was killed: %s", 1-killed, killed, text)
		}
	}
	children, said := start()
	for rank, c := range children {
		if err := c.Wait(); err != nil {
			t.Fatalf("rank %d: %v %s", rank, err, said[rank])
		}
	}
	whole := filepath.Join(dir, "whole")
	if err := autoencoderWith(t, tinyAutoencoder, folder, append(steps, "train.parts=2")...)(Run{Dir: whole, Engine: cpu.New(cpu.Options{})}); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(dir, "0", CheckpointFile))
}

// steppedOn tells whether rank 0 has done more steps in this attempt than in those before.
func steppedOn(dir string, attempt int) bool {
	raw, _ := os.ReadFile(filepath.Join(dir, "0", MetricsFile))
	return strings.Count(string(raw), "\n") > 4+12*attempt
}
