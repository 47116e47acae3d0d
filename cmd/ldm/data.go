package main

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/data/clothing"
	"github.com/ldm-go/ldm/data/emoji"
)

func dataCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "Check data sets, and prepare those that the recipes need"}
	cmd.AddCommand(dataCheck(), dataEmoji(), dataClothing())
	return cmd
}

func dataCheck() *cobra.Command {
	var o data.CheckOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Say what is in a set of pictures, and what is wrong with it",
		Long: `Reads all of a set as training would (a folder, a zip or tar file, or a pattern
of shards such as "shard-{000..009}.tar") and prints sizes, captions, classes,
boxes, unused files, broken pictures, and pictures that are there twice, also in
several splits. The exit status is not 0 if training would refuse the set.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			show, end := pictureProgress("checking")
			o.Progress = show
			r, err := data.Check(cmd.Context(), args[0], o)
			end()
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				err = e.Encode(r)
			} else {
				err = r.Write(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return r.Err()
		},
	}
	cmd.Flags().BoolVar(&o.HeadersOnly, "headers", false, "read only the headers of the pictures: quick, but finds no duplicates and fewer faults")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
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
			show, end := pictureProgress("emoji")
			o.Progress = show
			counts, err := emoji.Prepare(cmd.Context(), args[0], o)
			end()
			if err != nil {
				return err
			}
			text := fmt.Sprintf("%d pictures in %s/train, %d in %s/validation", counts.Train, args[0], counts.Validation, args[0])
			if o.Composed {
				text += fmt.Sprintf(", %d in %s/test", counts.Test, args[0])
			}
			status(text)
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Size, "size", 128, "side of the pictures in pixels")
	cmd.Flags().IntVar(&o.Validation, "validation", 5, "per cent of the base emoji held out")
	cmd.Flags().BoolVar(&o.Composed, "composed", false, "more pictures to train on: emoji in other colours, faces with glasses and hats, pairs; and a split test of 60 held-out captions")
	cmd.Flags().BoolVar(&noFlags, "no-flags", false, "leave out the flags of countries")
	cmd.Flags().BoolVar(&noSkinTones, "no-skin-tones", false, "leave out the variants of skin tone")
	return cmd
}

func dataClothing() *cobra.Command {
	var o clothing.Options
	cmd := &cobra.Command{
		Use:   "clothing DIR",
		Short: "Prepare 3,781 photographs in the public domain (CC0) in ten classes (needs git)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			show, end := pictureProgress("photographs")
			o.Progress = show
			counts, err := clothing.Prepare(cmd.Context(), args[0], o)
			end()
			if err != nil {
				return err
			}
			status(fmt.Sprintf("%d pictures in %s/train, %d in validation, %d in test", counts["train"], args[0], counts["validation"], counts["test"]))
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Size, "size", 256, "shorter side of the pictures in pixels")
	cmd.Flags().IntVar(&o.Quality, "quality", 88, "of the JPEGs, 1 to 100")
	cmd.Flags().StringVar(&o.From, "from", "", "folder or archive that has them already, instead of the public source")
	return cmd
}

// pictureProgress shows how many pictures are done; end takes the bar away.
func pictureProgress(what string) (show func(done, total int), end func()) {
	var mu sync.Mutex
	var m *meter
	show = func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if m == nil {
			m = newMeter(what, total, "pictures")
		}
		m.Set(float64(done))
	}
	return show, func() {
		if m != nil {
			m.Close()
		}
	}
}
