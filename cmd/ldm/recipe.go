package main

import (
	"cmp"
	"fmt"
	"image"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
	"github.com/ldm-go/ldm/sampler"
)

// recipe is what a picture carries to be made again.
type (
	recipe = metadata.Recipe
	file   = metadata.File
)

// elsewhere are the flags that change no pixel, or that a recipe has in fields of
// its own.
var elsewhere = map[string]bool{
	"out": true, "force": true, "model": true, "threads": true, "max-memory": true, "preview": true, "from-image": true,
	"no-metadata": true, "help": true, "server": true, "server-key": true,
}

// recipe is that of a picture of a request.
func (f *drawFlags) recipe(cmd *cobra.Command, r ldm.Request, i int) recipe {
	out := recipe{Task: cmd.Name(), Flags: map[string][]string{}, Model: f.model_.file(), Inputs: map[string]file{}, Version: programVersion()}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		switch values := valuesOf(flag); {
		case elsewhere[flag.Name]:
		case f.inputs[flag.Name]:
			out.Flags[flag.Name] = values
			if digest, err := modelfile.SHA256(values[0]); err == nil {
				out.Inputs[flag.Name] = file{Name: filepath.Base(values[0]), SHA256: digest}
			}
		default:
			out.Flags[flag.Name] = values
		}
	})
	n := len(r.Seeds)
	if f.names.pattern() {
		n = 1
	}
	for name, value := range map[string]string{
		"seed": strconv.FormatUint(r.Seeds[i], 10), "n": strconv.Itoa(n), "steps": strconv.Itoa(r.Steps), "rng": f.rng,
		"sampler": r.Sampler.Name, "cfg-scale": metadata.Number(r.Guidance),
	} {
		out.Flags[name] = []string{value}
	}
	if r.Schedule.Name != "" {
		out.Flags["scheduler"] = []string{r.Schedule.Name}
	}
	return out
}

// valuesOf are the values of a flag, one unless it is a list.
func valuesOf(flag *pflag.Flag) []string {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{flag.Value.String()}
}

// notes are what a picture says of how it was made.
func (f *drawFlags) notes(cmd *cobra.Command, r ldm.Request, i int, size image.Point) ([]picture.Note, error) {
	if f.noMetadata {
		return nil, nil
	}
	return metadata.Notes(f.parameters(cmd, r, i, size), f.recipe(cmd, r, i))
}

// parameters are the settings as A1111 writes them, in its order.
func (f *drawFlags) parameters(cmd *cobra.Command, r ldm.Request, i int, size image.Point) metadata.Parameters {
	p := metadata.Parameters{Prompt: strings.TrimSpace(f.prompt), Negative: f.negative}
	add := func(key, value string, want bool) {
		if want {
			p.Fields = append(p.Fields, metadata.Field{Key: key, Value: value})
		}
	}
	text := func(name string) string {
		if flag := cmd.Flags().Lookup(name); flag != nil {
			return flag.Value.String()
		}
		return ""
	}
	given := func(name string) bool { return text(name) != "" && cmd.Flags().Changed(name) }
	model := f.model_.file()
	add("Steps", strconv.Itoa(r.Steps), true)
	add("Sampler", r.Sampler.Name, true)
	add("Schedule type", r.Schedule.Name, r.Schedule.Name != "")
	add("CFG scale", metadata.Number(r.Guidance), true)
	add("Seed", strconv.FormatUint(r.Seeds[i], 10), true)
	add("Size", fmt.Sprintf("%dx%d", cmp.Or(r.Width, size.X), cmp.Or(r.Height, size.Y)), true)
	add("Model hash", model.SHA256[:min(10, len(model.SHA256))], model.SHA256 != "")
	add("Model", strings.TrimSuffix(model.Name, filepath.Ext(model.Name)), true)
	add("Denoising strength", metadata.Number(r.Strength), r.Start != nil)
	add("Clip skip", strconv.Itoa(f.clipSkip), f.clipSkip > 1)
	add("RNG", map[sampler.Source]string{sampler.TorchCPU: "CPU", sampler.TorchCUDA: "GPU"}[r.Random], r.Random != sampler.OwnNoise)
	add("Mask blur", text("mask-blur"), given("mask-blur"))
	add("Inpaint area", "Only masked", text("only-masked") == "true")
	add("Masked area padding", text("padding"), text("only-masked") == "true")
	add("CFG Rescale", metadata.Number(f.rescale), f.rescale != 0)
	add("Token merging ratio", metadata.Number(f.savings.MergeTokens), f.savings.MergeTokens != 0)
	if r.Eta != nil {
		add("Eta", metadata.Number(*r.Eta), *r.Eta != 0 && cmd.Flags().Changed("eta"))
	}
	add("Class", text("class"), given("class"))
	add("Task", cmd.Name(), cmd.Name() != "txt2img")
	add("Version", "ldm "+programVersion(), true)
	return p
}

// modelHash is the digest of the model's file, taken while it is at work.
type modelHash struct {
	name string
	done chan string
	sum  string
	want string // by --from-image
}

func (h *modelHash) start(path string) {
	b, inside := inBox(path)
	h.name, h.done = b.name, make(chan string, 1)
	if !inside {
		h.name = filepath.Base(path)
	}
	go func() {
		if inside {
			h.done <- b.sha256()
			return
		}
		sum, _ := modelfile.SHA256(path) // a folder has none
		h.done <- sum
	}()
}

func (h *modelHash) file() file {
	if h.done != nil {
		if h.sum, h.done = <-h.done, nil; h.want != "" && h.sum != h.want {
			status(fmt.Sprintf("the model %s is not the one that the picture was made with: SHA-256 %.10s, not %.10s", h.name, h.sum, h.want))
		}
	}
	return file{Name: h.name, SHA256: h.sum}
}
