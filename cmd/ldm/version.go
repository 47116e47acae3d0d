package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which ldm this is",
		Long: "Prints the version, the commit that it was built from, the compiler, and the\n" +
			"instructions of this processor that the kernels use.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, ok := debug.ReadBuildInfo()
			if !ok {
				b = &debug.BuildInfo{}
			}
			var text bytes.Buffer
			printVersion(&text, b)
			_, err := text.WriteTo(cmd.OutOrStdout())
			return err
		},
	}
}

// printVersion prints what the build says of itself. A build outside of
// version control has no commit, and one without modules no version.
func printVersion(w io.Writer, b *debug.BuildInfo) {
	settings := map[string]string{}
	for _, s := range b.Settings {
		settings[s.Key] = s.Value
	}
	number := b.Main.Version
	if number == "" {
		number = "(devel)"
	}
	fmt.Fprintf(w, "ldm            %s\n", number)
	if commit := settings["vcs.revision"]; commit != "" {
		if settings["vcs.modified"] == "true" {
			commit += ", with changes"
		}
		fmt.Fprintf(w, "commit         %s\n", commit)
		fmt.Fprintf(w, "of             %s\n", settings["vcs.time"])
	}
	fmt.Fprintf(w, "built with     %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(w, "instructions   %s\n", isa.Current())
}
