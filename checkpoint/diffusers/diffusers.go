// Package diffusers reads the layout of a Hugging Face diffusers directory of
// Stable Diffusion v1 or v2 or latent diffusion: the configuration, from its JSON
// files, and which tensor of which weight file is which of our parameters. It
// opens no weights.
package diffusers

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/ldm-go/ldm/config"
)

// The prefixes of our parameters' names.
const (
	prefixUNet        = "model.diffusion_model."
	prefixFirstStage  = "first_stage_model."
	prefixConditioner = "cond_stage_model."
)

// Layout is what a directory's JSON files say.
type Layout struct {
	Target  config.Target // of the reference's LatentDiffusion
	Parts   []Part        // the folders with weights
	Assumed []string      // lines that say what was assumed, and which setting changes it
}

// Part is a folder with weights.
type Part struct {
	Folder string   // "unet", "vae", "text_encoder", …
	Prefix string   // of our names: "model.diffusion_model.", …
	Files  []string // weight files, relative to the directory

	names table
}

// Index is the file that makes a directory one of diffusers.
const Index = "model_index.json"

// Open reads the JSON files of a directory; name is what errors call it.
func Open(name string, fsys fs.FS) (*Layout, error) {
	d := directory{name, fsys}
	index, err := d.object(Index)
	if err != nil {
		return nil, err
	}
	folders, err := components(index)
	if err != nil {
		return nil, err
	}
	var files [3][]string
	for i, folder := range folders {
		if files[i], err = weights(d, folder); err != nil {
			return nil, err
		}
	}
	u, err := readUNet(d, folders[0])
	if err != nil {
		return nil, err
	}
	v, err := readStage(d, folders[1])
	if err != nil {
		return nil, err
	}
	t, err := readText(d, folders[2])
	if err != nil {
		return nil, err
	}
	s, err := readSchedule(d)
	if err != nil {
		return nil, err
	}
	if err := fit(d, folders, u, v, t); err != nil {
		return nil, err
	}
	l := &Layout{Target: target(u, v, t, s)}
	l.Assumed = append(append(append(append(l.Assumed, u.assumed...), v.assumed...), t.assumed...), s.assumed...)
	for i, p := range []Part{{Prefix: prefixUNet, names: u.names}, {Prefix: prefixFirstStage, names: v.names}, {Prefix: prefixConditioner, names: t.names}} {
		p.Folder, p.Files = folders[i], files[i]
		l.Parts = append(l.Parts, p)
	}
	return l, nil
}

// components are the folders of the U-Net, the first stage and the text encoder.
func components(index *object) (folders [3]string, err error) {
	for _, name := range []string{"text_encoder_2", "text_encoder_3", "transformer", "controlnet"} {
		if named(index, name) {
			index.bad(name, "no such component: a model has one text encoder and one U-Net")
		}
	}
	for i, choices := range [][]string{{"unet"}, {"vae", "vqvae"}, {"text_encoder", "bert"}} {
		for _, name := range choices {
			if folders[i] == "" && named(index, name) {
				folders[i] = name
			}
		}
		if folders[i] == "" {
			index.bad(choices[0], "[library, class] of %s", strings.Join(choices, " or "))
		}
	}
	return folders, index.err
}

// named tells whether the index has a component: absent ones are [null, null].
func named(index *object, name string) bool {
	pair, _ := index.get(name).([]any)
	return len(pair) == 2 && pair[1] != nil
}

// fit checks that the parts agree on the channels between them.
func fit(d directory, folders [3]string, u unetFile, v stageFile, t textFile) error {
	file := folders[0] + "/config.json"
	switch {
	case u.in != v.latent && u.in != 2*v.latent && u.in != 2*v.latent+1:
		return d.errorf(file, "in_channels is %d: want %d, the channels of the latent in %s, or %d (for editing) or %d (for inpainting)", u.in, v.latent, folders[1], 2*v.latent, 2*v.latent+1)
	case u.out != v.latent:
		return d.errorf(file, "out_channels is %d: want %d, the channels of the latent in %s", u.out, v.latent, folders[1])
	case u.context != t.width:
		return d.errorf(file, "cross_attention_dim is %d: want %d, the channels of %s", u.context, t.width, folders[2])
	}
	return nil
}

// target puts the parts' configurations together.
func target(u unetFile, v stageFile, text textFile, s scheduleFile) config.Target {
	params := map[string]any{
		"image_size":           u.size,
		"channels":             v.latent,
		"scale_factor":         v.scale,
		"conditioning_key":     "crossattn",
		"cond_stage_key":       "txt",
		"cond_stage_trainable": false,
		"use_ema":              false, // a pipeline's weights are the averaged ones
		"unet_config":          map[string]any{"target": config.TargetUNet, "params": u.params},
		"first_stage_config":   map[string]any{"target": v.target, "params": v.params},
	}
	cond := map[string]any{"target": text.target}
	if len(text.params) > 0 {
		cond["params"] = text.params
	}
	params["cond_stage_config"] = cond
	for k, value := range s.params {
		params[k] = value
	}
	t := config.Target{Target: config.TargetLatentDiffusion, Params: params}
	switch u.in {
	case 2 * v.latent:
		t.Target, params["conditioning_key"] = config.TargetLatentEdit, "hybrid"
	case 2*v.latent + 1:
		t.Target, params["conditioning_key"], params["concat_keys"] = config.TargetLatentInpaint, "hybrid", []string{"mask", "masked_image"}
	}
	return t
}

// Name maps one of our parameters' names, with its prefix, to the folder of its
// part and the names it may have there, newest first. ok is false for names
// without a counterpart.
func (l *Layout) Name(ours string) (folder string, names []string, ok bool) {
	for _, p := range l.Parts {
		if rest, found := strings.CutPrefix(ours, p.Prefix); found {
			names = p.names.lookup(rest)
			return p.Folder, names, len(names) > 0
		}
	}
	return "", nil, false
}

// assume is a line of Layout.Assumed.
func assume(file, field string, value any, means string) string {
	return fmt.Sprintf("%s: no %s: assumed %v%s; set %s there to change it", file, field, value, means, field)
}
