package main

import (
	"image"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// controlFlags tie pictures to the structure of others. The flags are lists: the first
// of each belong together, the second, and so on.
type controlFlags struct {
	files, images             []string
	strengths, starts, ends   []string
	nets                      map[string]*ldm.ControlNet // that are open
	pictures                  map[string]image.Image
	strength_, start_, finish []float64
}

func (f *controlFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.files, "control", nil, "ControlNet: a file or a diffusers folder; with --control-image; may be repeated, as may the flags below")
	flags.StringArrayVar(&f.images, "control-image", nil, "what the ControlNet sees, as it is: a picture of edges, depths or poses")
	flags.StringArrayVar(&f.strengths, "control-strength", nil, "how much of what the ControlNet says counts, usually 0.5 to 1 (default 1)")
	flags.StringArrayVar(&f.starts, "control-start", nil, "share of the steps from which on the ControlNet counts (default 0)")
	flags.StringArrayVar(&f.ends, "control-end", nil, "share of the steps up to which the ControlNet counts (default 1)")
}

// prepare refuses what cannot work, and reads the pictures. On a server ControlNets are
// names of its own.
func (f *controlFlags) prepare(onServer bool) error {
	if len(f.files) != len(f.images) {
		return fault.Inputf("%d times --control and %d times --control-image: want a picture for each ControlNet", len(f.files), len(f.images))
	}
	for _, list := range []struct {
		name   string
		texts  []string
		to     *[]float64
		usual  float64
		lo, hi float64
	}{{"strength", f.strengths, &f.strength_, 1, 0, 10}, {"start", f.starts, &f.start_, 0, 0, 1}, {"end", f.ends, &f.finish, 1, 0, 1}} {
		if len(list.texts) > len(f.files) {
			return fault.Inputf("%d times --control-%s for %d ControlNets (--control)", len(list.texts), list.name, len(f.files))
		}
		*list.to = nil
		for i := range f.files {
			v := list.usual
			if i < len(list.texts) {
				var err error
				if v, err = strconv.ParseFloat(list.texts[i], 64); err != nil || !(v >= list.lo && v <= list.hi) || v == 0 && list.name != "start" {
					return fault.Inputf("--control-%s %s: want a number from %g to %g", list.name, list.texts[i], list.lo, list.hi)
				}
			}
			*list.to = append(*list.to, v)
		}
	}
	f.pictures = map[string]image.Image{}
	for i, path := range f.images {
		if _, err := os.Stat(f.files[i]); err != nil && !onServer {
			return fault.Inputf("--control %w", err)
		}
		if f.start_[i] >= f.finish[i] {
			return fault.Inputf("--control-start %g, --control-end %g: want the first one less", f.start_[i], f.finish[i])
		}
		img, err := picture.Decode(path)
		if err != nil {
			return err
		}
		f.pictures[path] = img
	}
	return nil
}

// of opens the ControlNets for a model, each once.
func (f *controlFlags) of(m *ldm.Model) (list []ldm.Control, err error) {
	if f.nets == nil {
		f.nets = map[string]*ldm.ControlNet{}
	}
	for i, path := range f.files {
		if f.nets[path] == nil {
			if f.nets[path], err = m.OpenControlNet(path); err != nil {
				return nil, err
			}
		}
		list = append(list, ldm.Control{Net: f.nets[path], Image: f.pictures[f.images[i]], Strength: f.strength_[i], Start: f.start_[i], End: f.finish[i]})
	}
	return list, nil
}
