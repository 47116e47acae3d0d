package main

import (
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/weights/emoji"
)

// The names of what is in the program: a model, and its student of four steps, which is a
// model and a LoRA.
const (
	boxName     = "emoji"
	studentName = "emoji-lcm"
)

// What opens the model in the program. They are variables as short tests put a smaller one
// in its place.
var builtIn, builtInStage = emoji.Load, emoji.FirstStage

// boxed is a model of the program.
type boxed struct {
	name   string
	open   func(ldm.Options) (*ldm.Model, error)
	sha256 func() string
}

// inBox is the model of the program that -m means: by its name, unless there is a file or a
// diffusers folder of that name, or by none.
func inBox(path string) (boxed, bool) {
	switch {
	case path == "" || path == boxName && !isModel(path):
		return boxed{boxName, builtIn, emoji.SHA256}, true
	case path == studentName && !isModel(path):
		return boxed{studentName, emoji.LoadStudent, emoji.StudentSHA256}, true
	}
	return boxed{}, false
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
