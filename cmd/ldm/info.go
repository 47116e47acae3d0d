package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
)

func info() *cobra.Command {
	var f modelFlags
	cmd := &cobra.Command{
		Use:     "info MODEL",
		Short:   "Say what a model file is",
		Long:    "Says what a .safetensors or .ckpt file or a diffusers folder holds, without loading its weights.",
		Example: "  ldm info sd-v1-4.ckpt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			f.load.Log = func(text string) { printLine(out, "note", "%s", text) }
			s, err := modelfile.Open(args[0], f.load)
			if err != nil {
				return err
			}
			defer s.Close()
			return describe(out, s)
		},
	}
	f.registerLoad(cmd)
	return cmd
}

func printLine(w io.Writer, name, format string, args ...any) {
	fmt.Fprintf(w, "%-14s %s\n", name, fmt.Sprintf(format, args...))
}

// describe prints what a source is, line by line.
func describe(w io.Writer, s *modelfile.File) error {
	line := func(name, format string, args ...any) { printLine(w, name, format, args...) }
	line("file", "%s", s.Name())
	line("format", "%s", s.Format)
	line("model", "%s", s.Target.Target)
	if s.Known != "" {
		line("looks like", "%s", s.Known)
	}
	line("configuration", "from %s", s.From)
	if s.Target.Target == config.TargetLatentDiffusion {
		net, err := s.Network()
		if err != nil {
			return err
		}
		describeNetwork(line, net)
	} else {
		cfg, err := s.FirstStageConfig()
		if err != nil {
			return err
		}
		line("first stage", "%s, f = %d, %d latent channels", cfg.Kind, cfg.Factor(), cfg.LatentChannels())
		for _, a := range s.Assumed {
			line("note", "assumed: %s", a)
		}
	}
	for _, key := range []string{"epoch", "global_step", "pytorch-lightning_version"} {
		if v := s.Metadata()[key]; v != "" {
			line(key, "%s", v)
		}
	}
	describeTensors(line, s)
	return nil
}

func describeNetwork(line func(string, string, ...any), net *model.Network) {
	line("first stage", "%s, f = %d, %d latent channels", net.FirstStage.Kind, net.FirstStage.Factor(), net.FirstStage.LatentChannels())
	u := net.UNet
	line("u-net", "%d channels x %v, in %d, out %d, attention at factors %v", u.ModelChannels, u.ChannelMult, u.InChannels, u.OutChannels, u.AttentionResolutions)
	if net.Key != model.KeyNone {
		line("condition", "%s (%s)", net.Kind, net.Key)
	} else {
		line("condition", "none")
	}
	p := net.Params
	line("schedule", "%s, %g to %g, %d steps, predicts %s", p.BetaSchedule, p.LinearStart, p.LinearEnd, len(net.Schedule.Betas), p.Parameterization)
	line("scale factor", "%g", net.ScaleFactor)
	side := p.ImageSize * net.FirstStage.Factor()
	line("trained at", "%dx%d pixels (latents of %dx%d)", side, side, p.ImageSize, p.ImageSize)
}

// describeTensors sums the tensors up by part and number format.
func describeTensors(line func(string, string, ...any), s *modelfile.File) {
	type sum struct {
		tensors, numbers int
		bytes            int64
		formats          map[string]bool
	}
	parts := map[string]*sum{}
	for _, name := range s.Names() {
		in, ok := s.Info(name)
		if !ok {
			continue
		}
		part := "buffers"
		if head, _, ok := strings.Cut(strings.ReplaceAll(name, "/", "."), "."); ok {
			part = head
		}
		if parts[part] == nil {
			parts[part] = &sum{formats: map[string]bool{}}
		}
		p := parts[part]
		p.tensors++
		p.numbers += in.Shape.Size()
		p.bytes += in.Bytes()
		p.formats[string(in.DType)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		p := parts[name]
		line("tensors", "%s: %d, %.2f M numbers, %.1f MB, %s", name, p.tensors, float64(p.numbers)/1e6, float64(p.bytes)/1e6,
			strings.Join(slices.Sorted(maps.Keys(p.formats)), " "))
	}
	if parts["model_ema"] != nil {
		line("averages", "yes (--weights ema or raw chooses)")
	} else {
		line("averages", "no")
	}
}
