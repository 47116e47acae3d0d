package main

import (
	"fmt"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data/emoji"
)

func dataCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "Prepare data sets"}
	cmd.AddCommand(dataEmoji())
	return cmd
}

func dataEmoji() *cobra.Command {
	var o emoji.Options
	var noFlags, noSkinTones bool
	cmd := &cobra.Command{
		Use:   "emoji DIR",
		Short: "Prepare the Fluent emoji as a captioned picture folder (needs npm)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Flags, o.SkinTones = !noFlags, !noSkinTones
			bar := progressbar.Default(-1, "emoji")
			o.Progress = func(done, total int) {
				bar.ChangeMax(total)
				bar.Set(done)
			}
			counts, err := emoji.Prepare(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			status(fmt.Sprintf("%d pictures in %s/train, %d in %s/validation", counts.Train, args[0], counts.Validation, args[0]))
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Size, "size", 128, "side of the pictures in pixels")
	cmd.Flags().IntVar(&o.Validation, "validation", 5, "per cent of the base emoji held out")
	cmd.Flags().BoolVar(&noFlags, "no-flags", false, "leave out the flags of countries")
	cmd.Flags().BoolVar(&noSkinTones, "no-skin-tones", false, "leave out the variants of skin tone")
	return cmd
}
