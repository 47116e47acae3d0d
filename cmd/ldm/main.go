// Command ldm trains and runs latent diffusion models.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

func main() {
	ctx, stop := interruptible()
	err := root().ExecuteContext(ctx)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		text := "stopped"
		if err.Error() != context.Canceled.Error() {
			text = err.Error()
		}
		fmt.Fprintln(os.Stderr, "ldm:", text)
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "ldm:", err)
		os.Exit(exitStatus(err))
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "ldm",
		Short:         "Latent diffusion models: train them and make pictures with them",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkCommon(cmd.Flags()); err != nil {
				return err
			}
			return isa.Err()
		},
	}
	cmd.AddCommand(textToImage(), img2img(), inpaint(), outpaint(), upscale(), semantic(), layout2img(), sample(), interpolate(), variations(), reconstruct(), train(), distill(), dataCommand(), convert(), mergeCommand(), retrieveCommand(), info(), evaluate(), benchmark(), devices(), server(), samplers(), version())
	cmd.InitDefaultHelpCmd()
	cmd.InitDefaultCompletionCmd()
	strict(cmd)
	return cmd
}

// interruptible is cancelled by the first Ctrl-C, by a closed terminal or by the
// system's request to end. The second such signal ends the program at once.
func interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(130)
	}()
	return ctx, cancel
}

// status prints a line for a person, apart from results on standard output.
func status(line string) { fmt.Fprintln(os.Stderr, line) }
