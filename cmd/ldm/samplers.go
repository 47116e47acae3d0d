package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/sampler"
)

func samplers() *cobra.Command {
	return &cobra.Command{
		Use:   "samplers",
		Short: "List the samplers and the schedules of noise levels",
		Long: "Lists the samplers and the schedules that --sampler takes, with a line each. Names\n" +
			"may be written as other programs write them, and a schedule may follow a sampler:\n" +
			"\"DPM++ 2M Karras\", dpmpp_2m, k_euler_a.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return printSamplers(cmd.OutOrStdout()) },
	}
}

func printSamplers(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SAMPLER\tSCHEDULE\tCALLS A STEP\tNOISE")
	for _, m := range sampler.Methods() {
		calls := fmt.Sprint(m.Calls)
		if m.Calls == 0 {
			calls = "varies"
		}
		var noise []string
		if m.Random {
			noise = append(noise, "fresh")
		}
		if m.UsesEta {
			noise = append(noise, fmt.Sprintf("eta (%g)", m.Eta))
		}
		if m.UsesChurn {
			noise = append(noise, "churn (0)")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Schedule, calls, strings.Join(noise, ", "), m.Doc)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nSCHEDULE")
	for _, c := range sampler.Schedules() {
		fmt.Fprintf(w, "%s\t%s\n", c.Name, c.Doc)
	}
	return w.Flush()
}
