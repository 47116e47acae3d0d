package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/fault"
)

// defaultDevice computes where nothing is said; tests of devices set it.
var defaultDevice = "cpu"

// registerDevice adds the flag that says what computes.
func registerDevice(cmd *cobra.Command, device *string) {
	cmd.Flags().StringVar(device, "device", defaultDevice, "what computes: cpu, or through XLA cuda, rocm, tpu, cpu:N or the path of a plugin; cuda:2 for two cards (see ldm devices)")
}

// openEngine is the engine of a device.
func openEngine(device string, threads int) (engine.Engine, error) {
	if device == "cpu" || device == "" {
		return cpu.New(cpu.Options{Threads: threads}), nil
	}
	if threads != 0 {
		return nil, fault.Inputf("threads are for --device cpu alone, not %s", device)
	}
	return openDevice(device)
}

// devices lists what can compute.
func devices() *cobra.Command {
	return &cobra.Command{
		Use:   "devices [DEVICE]",
		Short: "List what can compute: the processor, and plugins for accelerators",
		Long: `Lists the processor, and the plugins of XLA that lie on this machine, without opening
them. With a device it opens its plugin and lists what that finds.`,
		Example: "  ldm devices\n  ldm devices cuda\n  ldm devices /opt/plugins/pjrt.so",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "cpu" {
				return describeDevice(cmd.OutOrStdout(), args[0])
			}
			fmt.Fprintf(cmd.OutOrStdout(), "cpu   %s, %d threads: this program's own kernels\n", isa.Current(), par.Processors())
			if len(args) == 1 {
				return nil
			}
			return listPlugins(cmd.OutOrStdout())
		},
	}
}
