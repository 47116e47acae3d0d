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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "ldm: stopped")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "ldm:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "ldm",
		Short:         "Latent diffusion models: train them and make pictures with them",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return isa.Err()
		},
	}
	cmd.AddCommand(textToImage(), sample(), reconstruct(), train(), dataCommand(), convert(), info(), evaluate(), benchmark(), server(), samplers(), version())
	return cmd
}

// status prints a line for a person, apart from results on standard output.
func status(line string) { fmt.Fprintln(os.Stderr, line) }
