package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/recognise"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/retrieve"
)

func info() *cobra.Command {
	var f modelFlags
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Say what a model file is, or how a picture was made",
		Long: `Says what a .safetensors or .ckpt file or a diffusers folder holds, without loading
its weights, and compares the names and shapes of its tensors with its
configuration (that of --config, where it is given). Files that are no models,
such as LoRAs, embeddings and text encoders, are named. Of a picture it says how it
was made, as far as its file does: settings of this program, A1111, ComfyUI,
InvokeAI, NovelAI, Fooocus, SwarmUI and stable-diffusion.cpp are understood.`,
		Example: "  ldm info sd-v1-4.ckpt\n  ldm info model.ckpt --config v1-inference.yaml\n  ldm info picture.png",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := &report{w: cmd.OutOrStdout()}
			f.load.Log = func(text string) { out.line("note", "%s", text) }
			what := out.file
			if isPicture(args[0]) {
				what = func(path string, _ modelfile.Options) error { return out.picture(path) }
			}
			err := what(args[0], f.load)
			return errors.Join(err, out.err)
		},
	}
	f.registerLoad(cmd)
	return cmd
}

// report prints lines, and keeps the first error in writing them.
type report struct {
	w   io.Writer
	err error
}

func (r *report) line(name, format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.w, "%-14s %s\n", printable(name), printable(fmt.Sprintf(format, args...)))
	}
}

func (r *report) file(path string, o modelfile.Options) error {
	s, err := modelfile.Open(path, o)
	if err != nil {
		if o.Config == "" && (errors.Is(err, fault.Unsupported) && r.other(path) || r.database(path)) {
			return nil
		}
		return err
	}
	defer s.Close()
	return r.describe(s)
}

// other says what a file is that is known and no model.
func (r *report) other(path string) bool {
	if st, err := os.Stat(path); err != nil || st.IsDir() {
		return false
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	shapes := map[string][]int{}
	for _, name := range f.Names() {
		in, _ := f.Info(name)
		shapes[name] = in.Shape
	}
	scalar := func(name string) (float64, bool) {
		t, err := f.Read(name)
		if err != nil || len(t.F32) != 1 {
			return 0, false
		}
		return float64(t.F32[0]), true
	}
	o, ok := recognise.NameOther(shapes, recognise.Values{Scalar: scalar, Meta: f.Metadata()})
	if !ok {
		return false
	}
	r.line("file", "%s", path)
	r.line("format", "%s", f.Format)
	r.line("looks like", "%s", o.Name)
	if o.Use == "" {
		o.Use = "no command reads it"
	}
	r.line("use", "%s", o.Use)
	for _, fact := range append(o.Facts, adapterFacts(path, o.Name)...) {
		r.line(fact[0], "%s", fact[1])
	}
	r.tensors(f)
	return true
}

// database says what a database of pictures is, if a file is one.
func (r *report) database(path string) bool {
	about, err := retrieve.Look(path)
	if err != nil || !about.Named && about.Encoder == "" && about.Pictures < 1000 { // a tensor that is called so
		return false
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	r.line("file", "%s", path)
	r.line("format", "%s", f.Format)
	r.line("looks like", "a database of pictures for retrieval-augmented models")
	r.line("use", "give it with --database, or search in it by ldm retrieve search")
	r.line("pictures", "%d, %d numbers each", about.Pictures, about.Width)
	if about.Encoder != "" {
		r.line("encoder", "%s", about.Encoder)
	}
	if !about.Named {
		r.line("names", "none: the pictures have numbers alone")
	}
	search := "exact"
	if about.Index {
		search = "exact, or approximate by the index that is in it"
	}
	r.line("search", "%s", search)
	r.tensors(f)
	return true
}

// adapterFacts are rank and strength of a PEFT adapter, which lie in a file
// beside its weights.
func adapterFacts(path, kind string) (facts [][2]string) {
	var c struct {
		R     *float64 `json:"r"`
		Alpha *float64 `json:"lora_alpha"`
		Base  string   `json:"base_model_name_or_path"`
	}
	f, err := os.Open(filepath.Join(filepath.Dir(path), "adapter_config.json"))
	if err != nil {
		return nil
	}
	defer f.Close()
	if !strings.Contains(kind, "PEFT") {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err == nil {
		raw, err = config.Text(raw)
	}
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return nil
	}
	if c.R != nil && c.Alpha != nil {
		facts = append(facts, [2]string{"alpha", fmt.Sprintf("%g, of a rank of %g (adapter_config.json)", *c.Alpha, *c.R)})
	}
	if c.Base != "" {
		facts = append(facts, [2]string{"base model", c.Base})
	}
	return facts
}

// describe prints what a model's file is, line by line.
func (r *report) describe(s *modelfile.File) error {
	r.line("file", "%s", s.Name())
	r.line("format", "%s", s.Format)
	r.line("model", "%s", s.Target.Target)
	if s.Known != "" {
		r.line("looks like", "%s", s.Known)
	}
	r.line("configuration", "from %s", s.From)
	var averages string
	if model.IsDiffusion(s.Target) {
		net, err := s.Network()
		if err != nil {
			return err
		}
		r.network(net)
		r.classes(net.Classes(), s.Classes())
		if averages, err = averagesOf(s, net); err != nil {
			return err
		}
	} else {
		cfg, err := s.FirstStageConfig()
		if err != nil {
			return err
		}
		r.line("first stage", "%s, f = %d, %d latent channels", cfg.Kind, cfg.Factor(), cfg.LatentChannels())
		for _, a := range s.Assumed {
			r.line("note", "assumed: %s", a)
		}
	}
	for _, key := range []string{"epoch", "global_step", "pytorch-lightning_version"} {
		if v := s.Metadata()[key]; v != "" {
			r.line(key, "%s", v)
		}
	}
	r.tensors(s)
	if averages != "" {
		r.line("averages", "%s", averages)
	}
	n, err := s.Fits()
	if err != nil {
		return err
	}
	r.line("fits", "yes: the %d tensors that the configuration wants are there, in their shapes", n)
	return nil
}

// averagesOf says what a file holds of averaged weights.
func averagesOf(s *modelfile.File, net *model.Network) (string, error) {
	a, err := s.Averages(net)
	switch {
	case err != nil:
		return "", err
	case !a.Any:
		return "no", nil
	case a.Complete():
		return "yes (--weights ema or raw chooses)", nil
	case a.Have == 0:
		return "no, but their counters (the plain weights are used)", nil
	}
	return fmt.Sprintf("%d of %d (the plain weights are used)", a.Have, a.Want), nil
}

func (r *report) network(net *model.Network) {
	r.line("first stage", "%s, f = %d, %d latent channels", net.FirstStage.Kind, net.FirstStage.Factor(), net.FirstStage.LatentChannels())
	u := net.UNet
	r.line("u-net", "%d channels x %v, in %d, out %d, attention at factors %v", u.ModelChannels, u.ChannelMult, u.InChannels, u.OutChannels, u.AttentionResolutions)
	if net.Key != model.KeyNone {
		r.line("condition", "%s (%s)", cmp.Or(net.Encoder, net.Kind.String()), net.Key)
	} else {
		r.line("condition", "none")
	}
	if net.CLIP != nil && net.CLIP.Skip > 0 {
		r.line("clip skip", "%d: the last %d of %d layers are left out", net.CLIP.Skip+1, net.CLIP.Skip, net.CLIP.Layers)
	}
	p := net.Params
	zero := ""
	if p.ZeroSNR {
		zero = ", scaled so that the last step is noise alone"
	}
	r.line("schedule", "%s, %g to %g, %d steps%s, predicts %s", p.BetaSchedule, p.LinearStart, p.LinearEnd, len(net.Schedule.Betas), zero, p.Parameterization)
	r.line("scale factor", "%g", net.ScaleFactor)
	latent := net.LatentSide()
	side := latent * net.FirstStage.Factor()
	r.line("trained at", "%dx%d pixels (latents of %dx%d)", side, side, latent, latent)
}

// classes says how many classes there are, and what the file calls them: as
// many names as a screen has room for.
func (r *report) classes(n int, names []string) {
	const most = 40
	switch {
	case n == 0:
	case len(names) == 0:
		r.line("classes", "%d, without names: 0 to %d", n, n-1)
	case len(names) > most:
		r.line("classes", "%d: %s and %d more", len(names), strings.Join(names[:most], ", "), len(names)-most)
	default:
		r.line("classes", "%d: %s", len(names), strings.Join(names, ", "))
	}
}

// tensors sums the tensors up by part and number format.
func (r *report) tensors(s checkpoint.Reader) {
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
	const most = 12
	for i, name := range slices.Sorted(maps.Keys(parts)) {
		if i == most {
			r.line("tensors", "and %d more parts", len(parts)-most)
			break
		}
		p := parts[name]
		r.line("tensors", "%s: %d, %.2f M numbers, %.1f MB, %s", strings.ReplaceAll(name, "\n", " "), p.tensors, float64(p.numbers)/1e6, float64(p.bytes)/1e6,
			strings.Join(slices.Sorted(maps.Keys(p.formats)), " "))
	}
}
