package main

import (
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/hosts"
	"github.com/ldm-go/ldm/machine"
	ldmtrain "github.com/ldm-go/ldm/train"
)

func train() *cobra.Command {
	cmd := &cobra.Command{Use: "train", Short: "Train a model, or a small change of one, on a folder of pictures"}
	cmd.AddCommand(trainAutoencoder(), trainDiffusion(), trainLoRA(), trainEmbedding())
	return cmd
}

const trainHelp = `

The configuration is YAML in the reference's form; several files are merged from
left to right, and key.sub=value arguments change single values. Everything goes
to the run folder: config.yaml, log.txt, metrics.jsonl, TensorBoard events,
pictures, the checkpoint, and beside each checkpoint model.safetensors, which
other commands read. The same command goes on from the checkpoint. Ctrl-C and a
closed terminal save first; a second Ctrl-C ends at once.

Several processes, on one machine or many, train together with --hosts and --rank:
each takes batches of train.batch_size pictures, and their gradients are summed in a
fixed order. N of them compute the same bits as one with train.parts=N, if their
processors have the same instructions. If one is lost the others stop within ten
seconds and save; the same commands go on.`

// trainFlags are what both stages have in common.
type trainFlags struct {
	configs []string
	out     string
	accept  []string
	report  bool
	memory  machine.MaxMemory
	device  string
	hosts   hosts.Options
	token   string
}

func (f *trainFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&f.configs, "config", "c", nil, "YAML configuration files")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "run folder")
	cmd.Flags().StringSliceVar(&f.accept, "accept", nil, "differences from the checkpoint to accept at a resume: "+strings.Join(ldmtrain.Acceptable, ", "))
	cmd.Flags().BoolVar(&f.report, "report", false, "keep a page about the run, report.html in its folder: curves, pictures, configuration, speed")
	cmd.Flags().TextVar(&f.memory, "max-memory", machine.MaxMemory(0), "bound on the memory of a step, as 6GiB or 50%: above it activations are computed again for the gradient (train.max_memory)")
	registerDevice(cmd, &f.device)
	cmd.Flags().StringSliceVar(&f.hosts.Addresses, "hosts", nil, "HOST:PORT of the processes that train together, the same list for each; gradients are summed between them")
	cmd.Flags().IntVar(&f.hosts.Rank, "rank", -1, "which of --hosts this process is, from 0; rank 0 writes the run folder")
	cmd.Flags().StringVar(&f.token, "hosts-token", "", "file with the secret that the processes share (without it $"+hosts.TokenVariable+"; processes of one machine need none)")
	cmd.Flags().DurationVar(&f.hosts.Wait, "hosts-wait", 10*time.Minute, "how long processes wait for each other at the start")
	cmd.MarkFlagRequired("config")
	cmd.MarkFlagRequired("out")
}

// keepWriting lets lines for a reader that is gone be lost, where they would end
// the program before it has saved: "2>&1 | tee log" and Ctrl-C end tee first.
func keepWriting() { signal.Ignore(syscall.SIGPIPE) }

// run is where and how to train.
func (f *trainFlags) run(l *ldmtrain.Loop) (ldmtrain.Run, error) {
	if f.memory != 0 {
		l.MaxMemory = f.memory
	}
	if err := f.together(); err != nil {
		return ldmtrain.Run{}, err
	}
	keepWriting()
	eng, err := openEngine(f.device, l.Threads)
	return ldmtrain.Run{Dir: f.out, Engine: eng, Line: status, Accept: f.accept, Report: f.report, Hosts: f.hosts}, err
}

// together checks the flags of several processes.
func (f *trainFlags) together() (err error) {
	switch {
	case len(f.hosts.Addresses) == 0 && (f.hosts.Rank != -1 || f.token != ""):
		return fault.Inputf("--rank and --hosts-token want --hosts, the processes that train together")
	case len(f.hosts.Addresses) == 0:
		f.hosts.Rank = 0
		return nil
	case f.hosts.Rank == -1:
		return fault.Inputf("--hosts wants --rank, the place of this process in the list: 0 to %d", len(f.hosts.Addresses)-1)
	}
	if f.hosts.Token, err = hosts.ReadToken(f.token); err != nil {
		return err
	}
	return f.hosts.Validate()
}

// finish says where the result is.
func (f *trainFlags) finish(err error) error {
	switch {
	case err == nil && f.hosts.Rank > 0:
		status("done: rank 0 has written the model")
	case err == nil:
		status("done: " + filepath.Join(f.out, ldmtrain.ModelFile))
	}
	return err
}

func trainAutoencoder() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:     "autoencoder -c CONFIG.yaml -o RUN [key=value ...]",
		Short:   "Train the first stage, which compresses pictures",
		Long:    "Train the first stage, which compresses pictures to latents." + trainHelp,
		Example: "  ldm train autoencoder -c configs/emoji-autoencoder.yaml -o runs/ae data.train=pictures train.steps=5000",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := ldmtrain.DefaultAutoencoder()
			if err := config.Load(&cfg, f.configs, args); err != nil {
				return err
			}
			run, err := f.run(&cfg.Train)
			if err != nil {
				return err
			}
			return f.finish(ldmtrain.Autoencoder(cmd.Context(), cfg, run))
		},
	}
	f.register(cmd)
	return cmd
}

func trainDiffusion() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:     "diffusion -c CONFIG.yaml -o RUN [key=value ...]",
		Short:   "Train the second stage, which makes latents",
		Long:    "Train the denoiser and its conditioner in the latent space of a trained first stage." + trainHelp,
		Example: "  ldm train diffusion -c configs/emoji-diffusion.yaml -o runs/ldm first_stage=runs/ae/model.safetensors",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := ldmtrain.DefaultDiffusion()
			if err := config.Load(&cfg, f.configs, args); err != nil {
				return err
			}
			run, err := f.run(&cfg.Train)
			if err != nil {
				return err
			}
			return f.finish(ldmtrain.Diffusion(cmd.Context(), cfg, run))
		},
	}
	f.register(cmd)
	return cmd
}
