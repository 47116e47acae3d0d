package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ldm-go/ldm/bench"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/machine"
)

// taskFlags are those of whole tasks alone.
var taskFlags = []string{"model", "steps", "cfg-interval", "token-merging", "deep-cache", "adaptive-guidance", "max-memory"}

func (f *benchFlags) registerTask(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.task.Model, "model", "m", "", "of whole tasks: the model (default: a temporary one)")
	flags.IntVar(&f.task.Steps, "steps", bench.TaskSteps, "of whole tasks: steps of the sampler")
	flags.TextVar(&f.task.Memory, "max-memory", machine.MaxMemory(0), "of whole tasks: memory that networks may take at a time, as 3GiB (default: 75%)")
	flags.StringVar(&f.span, "cfg-interval", "", "of whole tasks: as in ldm txt2img")
	flags.Float64Var(&f.task.Savings.MergeTokens, "token-merging", 0, "of whole tasks: as in ldm txt2img")
	flags.StringVar(&f.deep, "deep-cache", "", "of whole tasks: as in ldm txt2img")
	flags.Float64Var(&f.task.Savings.AdaptiveGuidance, "adaptive-guidance", 0, "of whole tasks: as in ldm txt2img")
}

// runTask measures a whole task, in this process where the model is there already.
func (f *benchFlags) runTask(cmd *cobra.Command, task bench.Task) (err error) {
	if f.plan || f.grow {
		return fault.Inputf("--plan and --grow go with single networks, not with whole tasks")
	}
	if f.task.Savings.DeepCache, err = parseDeepCache(f.deep); err != nil {
		return err
	}
	if f.task.Interval, err = parseInterval(f.span); err != nil {
		return err
	}
	if _, err := os.Stat(f.task.Model); f.task.Model == "" || os.IsNotExist(err) {
		return f.runDrawn(cmd, task)
	}
	f.task.Options = f.opt
	const parts = 100
	m := newMeter("decoding", parts, "%")
	defer m.Close()
	f.task.Progress = func(share float64) { m.Set(share * parts) }
	r, err := task.Measure(cmd.Context(), f.task)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), r)
	if f.opt.Profile {
		fmt.Fprintf(cmd.OutOrStdout(), "outside the networks: %.2f %% of the steps\n", 100*r.Outside)
	}
	return nil
}

// runDrawn writes a model of random weights, and measures in another process, whose
// memory and time have nothing of that in them.
func (f *benchFlags) runDrawn(cmd *cobra.Command, task bench.Task) error {
	path := f.task.Model
	if path == "" {
		folder, err := os.MkdirTemp("", "ldm-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		path = filepath.Join(folder, task.Name+".safetensors")
	}
	status("writing random weights to " + path)
	if err := task.WriteModel(cmd.Context(), path); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"bench", task.Name, "--model", path}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if flag.Name != "model" {
			args = append(args, "--"+flag.Name+"="+flag.Value.String())
		}
	})
	child := exec.CommandContext(cmd.Context(), self, args...)
	var failure bytes.Buffer
	child.Stdout, child.Stderr = cmd.OutOrStdout(), &failure
	if err := child.Run(); err != nil {
		if said, _, _ := strings.Cut(strings.TrimPrefix(failure.String(), "ldm: "), "\n"); said != "" {
			return fmt.Errorf("%s", said)
		}
		return err
	}
	return nil
}
