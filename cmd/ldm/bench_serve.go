package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/bench"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/serve"
	"github.com/ldm-go/ldm/serve/client"
	"github.com/ldm-go/ldm/serve/load"
	"github.com/ldm-go/ldm/serve/stock"
)

// benchServe measures the server under a bounded load on loopback.
func benchServe() *cobra.Command {
	var f modelFlags
	var clients []int
	var requests, steps, batch int
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Measure the server: latency, pictures a second, queue and memory",
		Long: `Starts the server on a free port of this machine and sends it requests of one
picture each, from one client and from several at once, whose pictures the
server computes together; then makes pictures on the server and in the process in
turns, for what a request costs beside its picture. Ends by itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("max-batch") {
				batch *= programs.Devices(opt.Engine)
			}
			o := stock.Options{Load: opt, Log: slog.New(slog.DiscardHandler), Text: true, Box: f.path == "", Version: "ldm"}
			if f.path != "" {
				o.Files = []string{f.path}
			}
			b := serverBench{out: cmd.OutOrStdout(), requests: requests, steps: steps, batch: batch, prompt: "a red apple", flags: &f}
			return b.run(cmd.Context(), o, clients)
		},
	}
	f.register(cmd)
	cmd.Flags().IntSliceVar(&clients, "clients", []int{1, 4, 8}, "clients at once, one load for each")
	cmd.Flags().IntVar(&requests, "requests", 24, "requests of a load")
	cmd.Flags().IntVar(&steps, "steps", 20, "steps of a picture")
	cmd.Flags().IntVar(&batch, "max-batch", 8, "pictures computed together; where nothing is said, so many for each device")
	return cmd
}

type serverBench struct {
	out                    io.Writer
	requests, steps, batch int
	prompt                 string
	flags                  *modelFlags
}

func (b serverBench) run(ctx context.Context, o stock.Options, clients []int) error {
	dir, err := os.MkdirTemp("", "ldm-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	models, err := stock.Open(o)
	if err != nil {
		return err
	}
	defer models.Close()
	cfg := serve.DefaultConfig()
	cfg.Listen, cfg.Data, cfg.Models, cfg.MaxBatch, cfg.Log, cfg.Grace = "127.0.0.1:0", filepath.Join(dir, "data"), models, b.batch, o.Log, 0
	began := time.Now()
	s, err := serve.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := context.WithCancel(ctx)
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(a net.Addr) { addr <- a }) }()
	defer func() {
		stop()
		<-ended
	}()
	select {
	case a := <-addr:
		fmt.Fprintf(b.out, "started in %s, %.0f MiB\n", time.Since(began).Round(time.Millisecond), float64(bench.PeakResident())/(1<<20))
		return b.measure(ctx, "http://"+a.String(), clients)
	case err := <-ended:
		ended <- err
		return err
	}
}

// measure runs a load for each number of clients, after one picture that loads
// the model.
func (b serverBench) measure(ctx context.Context, url string, clients []int) error {
	request := client.Request{Prompt: b.prompt, Steps: b.steps}
	began := time.Now()
	if _, err := load.Run(ctx, load.Options{URL: url, Requests: 1, Clients: 1, Request: request}); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "first picture, model load included: %s\n", time.Since(began).Round(time.Millisecond))
	if _, err := fmt.Fprintln(b.out, load.Header); err != nil {
		return err
	}
	for _, n := range clients {
		r, err := load.Run(ctx, load.Options{URL: url, Requests: b.requests, Clients: n, Request: request})
		if err != nil {
			return err
		}
		if err := r.Write(b.out); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "memory at its peak, with the model and its programs: %.0f MiB\n", float64(bench.PeakResident())/(1<<20))
	return b.overhead(ctx, url)
}

// overhead compares requests with the same pictures made in the process and encoded, in
// turns, so that what else the machine does meets all of them.
func (b serverBench) overhead(ctx context.Context, url string) error {
	m, err := b.flags.open()
	if err != nil {
		return err
	}
	defer m.Close()
	ways := []struct {
		name string
		make func(seed int64) error
	}{
		{"in the process", func(seed int64) error { return b.inProcess(ctx, m, seed) }},
		{"as a job", func(seed int64) error { return b.asJob(ctx, url, seed) }},
		{"by OpenAI's interface", func(seed int64) error { return b.asOpenAI(ctx, url, seed) }},
	}
	took := make([][]time.Duration, len(ways))
	for i := range max(b.requests, 3) + 1 {
		for k := range ways {
			k = (k + i) % len(ways)
			began := time.Now()
			if err := ways[k].make(int64(i)); err != nil {
				return err
			}
			if i > 0 { // the first ones compile
				took[k] = append(took[k], time.Since(began))
			}
		}
	}
	for k, way := range ways {
		more := make([]time.Duration, len(took[k]))
		for i := range more {
			more[i] = took[k][i] - took[0][i]
		}
		if _, err := fmt.Fprintf(b.out, "one picture %s: %s, median of the difference %s\n", way.name,
			bench.Median(took[k]).Round(100*time.Microsecond), bench.Median(more).Round(100*time.Microsecond)); err != nil {
			return err
		}
	}
	return nil
}

func (b serverBench) inProcess(ctx context.Context, m *ldm.Model, seed int64) error {
	out, err := m.Generate(ctx, ldm.Request{Condition: ldm.Prompt(b.prompt), Steps: b.steps, Seeds: []uint64{uint64(seed)}})
	if err != nil {
		return err
	}
	_, err = picture.Encode(out.Images[0], container.PNG, picture.Options{})
	return err
}

func (b serverBench) asJob(ctx context.Context, url string, seed int64) error {
	c := client.Client{URL: url}
	j, err := c.Run(ctx, client.Request{Prompt: b.prompt, Steps: b.steps, Seed: &seed}, nil)
	if err != nil {
		return err
	}
	_, err = c.Picture(ctx, j.Images[0])
	return err
}

func (b serverBench) asOpenAI(ctx context.Context, url string, seed int64) error {
	body, err := json.Marshal(map[string]any{"prompt": b.prompt, "steps": b.steps, "seed": seed})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/images/generations", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Data []struct {
			Picture []byte `json:"b64_json"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || len(answer.Data) != 1 {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return nil
}
