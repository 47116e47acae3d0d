// Command fullsize writes a model with the procedural weights of the golden
// README, for tests at full size:
//
//	go run ./internal/golden/fullsize CONFIG.yaml OUT.safetensors
//
// The file has the reference's names and no configuration of its own.
package main

import (
	"fmt"
	"os"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: fullsize CONFIG.yaml OUT.safetensors")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "fullsize:", err)
		os.Exit(1)
	}
}

func write(yaml, out string) error {
	target, err := model.ReadConfig(yaml)
	if err != nil {
		return err
	}
	specs, err := model.ParamsOf(target)
	if err != nil {
		return err
	}
	weights := map[string]*tensor.Tensor{}
	for _, p := range specs {
		weights[p.Name] = golden.Weight(p.Name, p.Shape, 0)
	}
	return checkpoint.Save(out, weights, nil, checkpoint.F32)
}
