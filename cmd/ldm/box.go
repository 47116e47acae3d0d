package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/weights/emoji"
	upscaleweights "github.com/ldm-go/ldm/weights/upscale"
)

// The names of what is in the program: a model of texts, its student of four steps, which is
// a model and a LoRA, and one of super-resolution.
const (
	boxName     = "emoji"
	studentName = "emoji-lcm"
	upscaleName = "upscale"
)

// What opens the model in the program. They are variables as short tests put a smaller one
// in its place.
var builtIn, builtInStage = emoji.Load, emoji.FirstStage

// boxed is a model of the program.
type boxed struct {
	name   string
	open   func(ldm.Options) (*ldm.Model, error)
	sha256 func() string
	steps  int // of sampling where no flag says how many; 0: the model's own
}

// inBox is the model of the program that -m means: by its name, unless there is a file or a
// diffusers folder of that name, or by none.
func inBox(path string) (boxed, bool) {
	for _, b := range []boxed{
		{boxName, builtIn, emoji.SHA256, 0}, {studentName, emoji.LoadStudent, emoji.StudentSHA256, 0},
		{upscaleName, upscaleweights.Load, upscaleweights.SHA256, 2},
	} {
		if path == b.name && !isModel(path) || path == "" && b.name == boxName {
			return b, true
		}
	}
	return boxed{}, false
}

// tellBox has the help of a command say which model of the program it uses without --model.
func tellBox(cmd *cobra.Command, name string) {
	b, _ := inBox(name)
	path, steps := cmd.Flags().Lookup("model"), cmd.Flags().Lookup("steps")
	path.Usage = fmt.Sprintf("model: a .safetensors or .ckpt file, or a diffusers folder (default: %s, a small one for photographs in this program)", name)
	steps.Usage = fmt.Sprintf("steps of the sampler (default: %d for the model in this program, otherwise %d)", b.steps, model.DefaultSteps)
}

// isModel tells whether there is a file, or a folder of diffusers.
func isModel(path string) bool {
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "model_index.json"))
	return err == nil
}

// findLoRA is the LoRA that a name means: a file, one in the folder dir, or that in the
// program.
func findLoRA(name, dir string) (lora.Use, error) {
	path, err := lora.Find(name, dir)
	if err != nil && name == studentName {
		return emoji.Student(), nil
	}
	return lora.At(path, 1), err
}
