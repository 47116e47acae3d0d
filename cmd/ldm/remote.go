package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/serve/client"
)

// serverFlags let a command run on a server.
type serverFlags struct{ server, serverKey string }

func (f *serverFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "run on a server (ldm serve), as http://127.0.0.1:7860; --model is then a name of its models")
	cmd.Flags().StringVar(&f.serverKey, "server-key", "", "API key for it (default: the environment's LDM_SERVER_KEY)")
}

// onServer are the flags that a server is told of, and those that are this side's.
var onServer = map[string]bool{
	"out": true, "force": true, "server": true, "server-key": true, "from-image": true,
	"n": true, "seed": true, "steps": true, "sampler": true, "scheduler": true, "cfg-scale": true, "eta": true, "width": true, "height": true,
	"prompt": true, "negative-prompt": true, "class": true, "clip-skip": true, "image": true, "mask": true, "mask-blur": true, "strength": true, "model": true,
	"token-merging": true, "deep-cache": true, "adaptive-guidance": true, "cfg-interval": true, "database": true, "neighbours": true,
	"control": true, "control-image": true, "control-strength": true, "control-start": true, "control-end": true,
}

// remoteTypes are the kinds of work of commands; "" lets the model decide.
var remoteTypes = map[string]string{"txt2img": "txt2img", "sample": "", "img2img": "img2img", "inpaint": "inpaint", "upscale": "upscale"}

// remote makes the pictures of a command on a server.
func (f *drawFlags) remote(cmd *cobra.Command) error {
	kind, ok := remoteTypes[cmd.Name()]
	if !ok {
		return fault.Inputf("--server: ldm %s does not run on a server", cmd.Name())
	}
	r, err := f.remoteRequest(cmd, kind)
	if err != nil {
		return err
	}
	c := client.Client{URL: f.server, Key: f.serverKey}
	if c.Key == "" {
		c.Key = os.Getenv("LDM_SERVER_KEY")
	}
	m := newMeter("sampling", f.n, "pictures")
	defer m.Close()
	j, err := c.Run(cmd.Context(), r, func(p client.Progress) { m.Set(p.Fraction * float64(f.n)) })
	if err != nil {
		return err
	}
	for _, warning := range j.Warnings {
		m.line(warning)
	}
	for _, img := range j.Images {
		data, err := c.Picture(cmd.Context(), img)
		if err != nil {
			return err
		}
		path := f.names.path(img.Index, uint64(img.Seed))
		if err := output.Write(path, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
		if err := m.Print(cmd.OutOrStdout(), fmt.Sprintf("%s (seed %d)", path, img.Seed)); err != nil {
			return err
		}
	}
	return nil
}

// remoteRequest is the server's request of the flags; those that it knows nothing of
// are refused.
func (f *drawFlags) remoteRequest(cmd *cobra.Command, kind string) (r client.Request, err error) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if !onServer[flag.Name] && err == nil {
			err = fault.Inputf("--%s does not go with --server", flag.Name)
		}
	})
	if f.n > 1 && !f.names.pattern() && err == nil {
		err = fault.Inputf("%d pictures of a server want a name for each: -o \"out/%%04d-%%seed.png\"", f.n)
	}
	if err != nil {
		return r, err
	}
	seed := f.firstSeed()
	if seed > math.MaxInt64 {
		return r, fault.Inputf("--seed %d: a server takes seeds up to %d", seed, uint64(1)<<53-1)
	}
	first := int64(seed)
	r = client.Request{
		Type: kind, Model: f.model.path, Prompt: f.prompt, NegativePrompt: f.negative, N: f.n, Seed: &first, Width: f.width, Height: f.height,
		ClipSkip: f.clipSkip, PreviewEvery: 0, OutputFormat: remoteFormat(f.names.path(0, seed)),
	}
	given := cmd.Flags().Changed
	if given("steps") {
		r.Steps = f.steps
	}
	if given("cfg-scale") {
		r.CFGScale = &f.scale
	}
	if given("eta") {
		r.Eta = &f.eta
	}
	if given("sampler") {
		r.Sampler = f.sampler
	}
	r.Scheduler = f.schedule
	if f.class != "" {
		r.Class = f.class
		if n, err := strconv.Atoi(f.class); err == nil {
			r.Class = n
		}
	}
	if err := f.remoteExtras(cmd, &r); err != nil {
		return r, err
	}
	return r, f.remotePictures(cmd, &r)
}

// remoteExtras are ControlNets and databases, by the server's names, and what is given up for
// speed.
func (f *drawFlags) remoteExtras(cmd *cobra.Command, r *client.Request) error {
	saved, err := f.saved(cmd)
	if err != nil {
		return err
	}
	r.TokenMerging, r.AdaptiveGuidance = saved.MergeTokens, saved.AdaptiveGuidance
	r.DeepCache, r.DeepCacheBranch = saved.DeepCache.Interval, saved.DeepCache.Branch
	if f.interval != "" {
		interval, err := parseInterval(f.interval)
		if err != nil {
			return err
		}
		r.CFGInterval = interval[:]
	}
	if r.Database = f.retrieval.database; cmd.Flags().Changed("neighbours") {
		r.Neighbours = f.retrieval.neighbours
	}
	for i, name := range f.controls.files {
		data, err := os.ReadFile(f.controls.images[i])
		if err != nil {
			return err
		}
		c := &f.controls
		r.Controls = append(r.Controls, client.Control{Model: name, Image: data, Strength: &c.strength_[i], Start: c.start_[i], End: &c.finish[i]})
	}
	return nil
}

// remotePictures reads the files that a command begins with.
func (f *drawFlags) remotePictures(cmd *cobra.Command, r *client.Request) (err error) {
	text := func(name string) string {
		if flag := cmd.Flags().Lookup(name); flag != nil {
			return flag.Value.String()
		}
		return ""
	}
	if path := text("image"); path != "" {
		if r.InitImage, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	if r.Type == "inpaint" && text("mask") == "" {
		return fault.Inputf("--server wants --mask, a picture that is white where the other one is to be made anew")
	}
	if path := text("mask"); path != "" {
		if r.Mask, err = os.ReadFile(path); err != nil {
			return err
		}
		if blur, err := strconv.ParseFloat(text("mask-blur"), 64); err == nil {
			r.MaskBlur = blur
		}
	}
	if cmd.Flags().Changed("strength") {
		strength, err := strconv.ParseFloat(text("strength"), 64)
		if err != nil {
			return err
		}
		r.Strength = &strength
	}
	return nil
}

// remoteFormat is the server's name of the format of a file.
func remoteFormat(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jpg", ".jpeg":
		return "jpeg"
	case ".webp":
		return "webp"
	}
	return "png"
}
