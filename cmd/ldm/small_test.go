package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/weights/emoji"
)

// TestMain has short tests draw with a small model of the built-in one's form: most ask
// what becomes of flags and files, not what is in the pictures.
func TestMain(m *testing.M) {
	flag.Parse()
	if !testing.Short() {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "ldm")
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "small.safetensors")
	if err := saveSmall(path); err != nil {
		log.Fatal(err)
	}
	builtIn = func(o ldm.Options) (*ldm.Model, error) { return ldm.Open(path, o) }
	builtInStage = func(o ldm.Options) (*ldm.FirstStage, error) { return ldm.OpenFirstStage(path, o) }
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// saveSmall writes a model with the built-in one's sizes of pictures, factors and
// words, of few channels and with weights that are functions of their names.
func saveSmall(path string) error {
	f, err := emoji.Open(modelfile.Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	net, err := f.Network()
	if err != nil {
		return err
	}
	words, err := f.Tokenizer(net)
	if err != nil {
		return err
	}
	target := f.Target
	stage := target.Params["first_stage_config"].(map[string]any)["params"].(map[string]any)["ddconfig"].(map[string]any)
	stage["ch_mult"], stage["num_res_blocks"] = []any{1, 1, 1}, 1
	unet := target.Params["unet_config"].(map[string]any)["params"].(map[string]any)
	unet["model_channels"], unet["channel_mult"] = 32, []any{1, 1, 1}
	if net, err = model.New(target); err != nil {
		return err
	}
	specs, err := net.AllParams()
	if err != nil {
		return err
	}
	vars := map[string]*tensor.Tensor{}
	for _, s := range specs {
		vars[s.Name] = golden.Weight(s.Name, s.Shape, 1)
	}
	return modelfile.Save(context.Background(), path, net, target, words, nil, vars, checkpoint.F32)
}
