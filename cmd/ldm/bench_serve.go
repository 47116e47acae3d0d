package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/bench"
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
server computes together. Ends by itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			o := stock.Options{Load: opt, Log: slog.New(slog.DiscardHandler), Text: true, Box: f.path == "", Version: "ldm"}
			if f.path != "" {
				o.Files = []string{f.path}
			}
			b := serverBench{out: cmd.OutOrStdout(), requests: requests, steps: steps, batch: batch, flags: &f}
			return b.run(cmd.Context(), o, clients)
		},
	}
	f.register(cmd)
	cmd.Flags().IntSliceVar(&clients, "clients", []int{1, 4, 8}, "clients at once, one load for each")
	cmd.Flags().IntVar(&requests, "requests", 24, "requests of a load")
	cmd.Flags().IntVar(&steps, "steps", 20, "steps of a picture")
	cmd.Flags().IntVar(&batch, "max-batch", 8, "pictures computed together")
	return cmd
}

type serverBench struct {
	out                    io.Writer
	requests, steps, batch int
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
	request := client.Request{Prompt: "a red apple", Steps: b.steps}
	began := time.Now()
	if _, err := load.Run(ctx, load.Options{URL: url, Requests: 1, Clients: 1, Request: request}); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "first picture, model load included: %s\n", time.Since(began).Round(time.Millisecond))
	if _, err := fmt.Fprintln(b.out, load.Header); err != nil {
		return err
	}
	var alone time.Duration
	for _, n := range clients {
		r, err := load.Run(ctx, load.Options{URL: url, Requests: b.requests, Clients: n, Request: request})
		if err != nil {
			return err
		}
		if n == 1 {
			alone = r.Quantile(.5)
		}
		if err := r.Write(b.out); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "memory at its peak, with the model and its programs: %.0f MiB\n", float64(bench.PeakResident())/(1<<20))
	if alone > 0 {
		return b.overhead(ctx, alone)
	}
	return nil
}

// overhead compares a request with the same picture made in the process.
func (b serverBench) overhead(ctx context.Context, served time.Duration) error {
	m, err := b.flags.open()
	if err != nil {
		return err
	}
	defer m.Close()
	var took []time.Duration
	for i := range max(b.requests, 3) {
		began := time.Now()
		if _, err := m.Generate(ctx, ldm.Request{Condition: ldm.Prompt("a red apple"), Steps: b.steps, Seeds: []uint64{uint64(i)}}); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	direct := bench.Median(took[1:])
	_, err = fmt.Fprintf(b.out, "one picture: %s served, %s in the process: %s of overhead\n",
		served.Round(time.Millisecond), direct.Round(time.Millisecond), (served - direct).Round(100*time.Microsecond))
	return err
}
