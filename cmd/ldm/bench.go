package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/bench"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// benchFlags choose what is measured and what is printed.
type benchFlags struct {
	task       bench.TaskOptions // of whole tasks alone
	deep, span string
	precision  string
	device     string
	opt        bench.Options
	plan, grow bool
}

func benchmark() *cobra.Command {
	var f benchFlags
	var names []string
	long := "Times a network with random weights and prints the median and minimum of its runs,\n" +
		"the first run with compiling, and the process's peak memory. The works are:\n\n"
	for _, w := range bench.Works() {
		names = append(names, w.Name)
		long += fmt.Sprintf("  %-11s %s\n", w.Name, w.What)
	}
	long += "\nWhole tasks are timed from the start of the process, with reading the model, to the first\n" +
		"picture, and then picture by picture. Where --model names no file that is there, it is\n" +
		"written with random weights and kept; without --model a temporary one is.\n\n"
	for _, t := range bench.Tasks() {
		names = append(names, t.Name)
		long += fmt.Sprintf("  %-11s %s\n", t.Name, t.What)
	}
	cmd := &cobra.Command{
		Use:   "bench WORK",
		Short: "Measure speed and memory of networks, and of whole tasks, with random weights",
		Long:  long + "\nbench/peers/run.sh and tasks.sh time the same in PyTorch and OpenVINO, bench/peers/gpu.sh on a card.",
		Example: `  ldm bench sd_unet --precision bf16 --threads 2
  LDM_ISA=avx512 ldm bench dec --profile
  ldm bench dec --grow --runs 1
  ldm bench txt2img --precision bf16 --runs 1 --deep-cache 3`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if f.opt.Precision, err = engine.ParsePrecision(f.precision); err != nil {
				return err
			}
			if f.device != "cpu" {
				if f.opt.Engine, err = openEngine(f.device, f.opt.Threads); err != nil {
					return err
				}
			}
			if task, ok := bench.FindTask(args[0]); ok {
				return f.runTask(cmd, task)
			}
			for _, name := range taskFlags {
				if cmd.Flags().Changed(name) {
					return fault.Inputf("--%s goes with whole tasks alone", name)
				}
			}
			return f.run(cmd, args[0])
		},
	}
	cmd.Flags().StringVar(&f.precision, "precision", "f32", "how products are computed: f32, bf16, or on accelerators tf32")
	cmd.Flags().TextVar(&f.opt.Hold, "hold", tensor.F32, "how weights stay in memory: f32, f16 or bf16")
	cmd.Flags().IntVarP(&f.opt.Threads, "threads", "t", 0, "threads (default: all processors)")
	registerDevice(cmd, &f.device)
	cmd.Flags().IntVar(&f.opt.Runs, "runs", 0, "timed runs (default: for 8 s, at least 3, at most 30)")
	cmd.Flags().IntVar(&f.opt.Shape.Pixels, "pixels", 0, "width and height of the pictures (default: the work's)")
	cmd.Flags().IntVar(&f.opt.Shape.Batch, "batch", 0, "pictures at once (default: the work's)")
	cmd.Flags().BoolVar(&f.plan, "plan", false, "print the algorithm of every product, and run nothing")
	cmd.Flags().BoolVar(&f.opt.Profile, "profile", false, "print the time by operation, by algorithm and of the longest steps too")
	cmd.Flags().BoolVar(&f.grow, "grow", false, "measure over resolution (256 to 1024 pixels) and batch (1 to 8)")
	f.registerTask(cmd)
	cmd.MarkFlagsMutuallyExclusive("plan", "profile", "grow")
	cmd.AddCommand(benchServe())
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command, name string) error {
	out := cmd.OutOrStdout()
	work, err := bench.Find(name)
	if err != nil {
		return err
	}
	switch {
	case f.plan:
		steps, err := work.Plan(f.opt)
		if err != nil {
			return err
		}
		return bench.WritePlan(out, steps)
	case f.grow:
		return bench.WriteGrowth(cmd.Context(), out, name, func(s bench.Shape) (bench.Result, error) {
			return f.apart(cmd.Context(), name, s)
		})
	}
	r, err := work.Measure(cmd.Context(), f.opt)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, r)
	if f.opt.Profile {
		fmt.Fprintln(out)
		return bench.WriteProfile(out, r)
	}
	return nil
}

// apart measures in a process of its own: a peak of memory is that of a whole
// process, and one that the system kills for want of it does not end this one.
func (f *benchFlags) apart(ctx context.Context, name string, s bench.Shape) (bench.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return bench.Result{}, err
	}
	cmd := exec.CommandContext(ctx, self, "bench", name, "--precision", f.precision, "--device", f.device, "--hold", f.opt.Hold.String(),
		"--threads", strconv.Itoa(f.opt.Threads), "--runs", strconv.Itoa(f.opt.Runs),
		"--pixels", strconv.Itoa(s.Pixels), "--batch", strconv.Itoa(s.Batch))
	var failure bytes.Buffer
	cmd.Stderr = &failure
	line, err := cmd.Output()
	if err != nil {
		if said, _, _ := strings.Cut(strings.TrimPrefix(failure.String(), "ldm: "), "\n"); said != "" {
			return bench.Result{}, fmt.Errorf("%s", said)
		}
		return bench.Result{}, err
	}
	return bench.Parse(string(line))
}
