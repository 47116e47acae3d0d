package emoji

import (
	"sync"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/modelfile"
)

const studentName = "emoji-lcm.safetensors"

// Student is a LoRA that makes the model a consistency student of itself, for four steps
// of LCM without guidance, which is in it (configs/emoji-distill.yaml). It fits no other
// model.
func Student() lora.Use { return lora.Use{Path: studentName, UNet: 1, Text: 1, FS: files} }

// LoadStudent returns the model with Student as a part of it: its defaults are four steps
// of LCM.
func LoadStudent(opt ldm.Options) (*ldm.Model, error) {
	opt.LoRA = append([]lora.Use{Student()}, opt.LoRA...)
	return Load(opt)
}

// StudentSHA256 is the digest of Student's file, in hexadecimal.
var StudentSHA256 = sync.OnceValue(func() string {
	sum, _ := modelfile.SHA256FS(files, studentName) // it is in the program
	return sum
})
