package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/adapter/merge"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/tensor"
)

// mergeFlags say what to merge, and how.
type mergeFlags struct {
	load                 modelFlags
	weighted, difference float64
	blocks, out, dtype   string
}

func mergeCommand() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge A B [C] -o OUT.safetensors",
		Short: "Make one model of two or three of one structure",
		Long: `Merges the weights of models of one structure: (1-m)·A + m·B with --weighted m, or
A + m·(B - C) with --add-difference m, which gives A what B learnt from C. --blocks has
multipliers for the blocks of the U-Net, those of the input first, then the middle, then
those of the output (for Stable Diffusion 25 numbers); a 26th before them is the
multiplier of all else. The configuration is A's, and how it was made is written down.`,
		Example: "  ldm merge one.safetensors two.safetensors --weighted 0.3 -o both.safetensors\n" +
			"  ldm merge base.safetensors fine-tuned.ckpt original.ckpt --add-difference 1 -o sum.safetensors",
		Args: cobra.RangeArgs(2, 3),
		RunE: f.run,
	}
	f.load.registerLoad(cmd)
	cmd.Flags().Float64Var(&f.weighted, "weighted", 0.5, "(1-m)·A + m·B")
	cmd.Flags().Float64Var(&f.difference, "add-difference", 1, "A + m·(B - C)")
	cmd.Flags().StringVar(&f.blocks, "blocks", "", "multipliers of the U-Net's blocks, with commas between them")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "file to write")
	cmd.Flags().StringVar(&f.dtype, "dtype", "f16", "number format: f32, f16 or bf16")
	cmd.MarkFlagsMutuallyExclusive("weighted", "add-difference")
	cmd.MarkFlagRequired("out")
	return cmd
}

// recipe reads the flags.
func (f *mergeFlags) recipe(cmd *cobra.Command, models int) (merge.Recipe, error) {
	r := merge.Recipe{Multiplier: f.weighted}
	switch difference := cmd.Flags().Changed("add-difference"); {
	case difference && models != 3:
		return r, fault.Inputf("--add-difference: want three models, A + m·(B - C)")
	case !difference && models == 3:
		return r, fault.Inputf("three models: want --add-difference, A + m·(B - C)")
	case difference:
		r = merge.Recipe{Method: merge.AddDifference, Multiplier: f.difference}
	}
	if f.blocks == "" {
		return r, nil
	}
	for _, text := range strings.Split(f.blocks, ",") {
		m, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return r, fault.Inputf("--blocks: %q: want numbers with commas between them", text)
		}
		r.Blocks = append(r.Blocks, m)
	}
	if len(r.Blocks)%2 == 0 { // the base comes first
		if cmd.Flags().Changed("weighted") || cmd.Flags().Changed("add-difference") && f.difference != 1 {
			return r, fault.Inputf("--blocks: %d numbers, the first for all but the U-Net's blocks: want that one there, or in --weighted or --add-difference", len(r.Blocks))
		}
		r.Multiplier, r.Blocks = r.Blocks[0], r.Blocks[1:]
	}
	return r, nil
}

func (f *mergeFlags) run(cmd *cobra.Command, args []string) error {
	recipe, err := f.recipe(cmd, len(args))
	if err != nil {
		return err
	}
	format := checkpoint.DType(strings.ToUpper(f.dtype))
	hold, ok := map[checkpoint.DType]tensor.Format{checkpoint.F32: tensor.F32, checkpoint.F16: tensor.F16, checkpoint.BF16: tensor.BF16}[format]
	if !ok {
		return fault.Inputf("--dtype %s: want f32, f16 or bf16", f.dtype)
	}
	if ext := strings.ToLower(filepath.Ext(f.out)); ext != "" && ext != ".safetensors" && !output.Stream(f.out) {
		return fault.Inputf("%s: models are not written as %s: want a name that ends with .safetensors", f.out, ext)
	}
	if err := output.Check(f.out); err != nil {
		return err
	}
	var parts []part
	for _, path := range args {
		p, err := f.open(path)
		if err != nil {
			return err
		}
		defer p.file.Close()
		parts = append(parts, p)
	}
	first := parts[0]
	for _, p := range parts[1:] {
		if err := alike(first, p); err != nil {
			return err
		}
	}
	inputs := 0
	for name := range first.shapes {
		if rest, ok := strings.CutPrefix(name, model.PrefixUNet+".input_blocks."); ok {
			number, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(number); err == nil {
				inputs = max(inputs, n+1)
			}
		}
	}
	if err := recipe.Check(inputs); err != nil {
		return err
	}
	vars, err := merged(cmd.Context(), parts, recipe, hold)
	if err != nil {
		return err
	}
	tok, err := first.file.Tokenizer(first.net)
	if err != nil {
		return err
	}
	if err := modelfile.SaveNoted(cmd.Context(), f.out, notes(args, recipe), first.net, first.file.Target, tok, first.file.Classes(), vars, format); err != nil {
		return err
	}
	if st, err := os.Stat(f.out); err == nil && st.Mode().IsRegular() && !output.Stream(f.out) {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f MB\n", f.out, float64(st.Size())/1e6)
		return err
	}
	return nil
}

// part is a model that is merged.
type part struct {
	path   string
	file   *modelfile.File
	net    *model.Network
	shapes map[string]tensor.Shape
}

// open opens a model, and checks that its weights are all there.
func (f *mergeFlags) open(path string) (part, error) {
	p := part{path: path, shapes: map[string]tensor.Shape{}}
	var err error
	if p.file, err = modelfile.Open(path, f.load.load); err != nil {
		return p, err
	}
	if p.net, err = p.file.Network(); err == nil {
		_, err = p.file.Fits()
	}
	if err != nil {
		p.file.Close()
		return p, err
	}
	params, err := p.net.AllParams()
	for _, s := range params {
		p.shapes[s.Name] = s.Shape
	}
	return p, err
}

// alike wants two models to be of one structure and to predict the same.
func alike(a, b part) error {
	if x, y := a.net.Params.Parameterization, b.net.Params.Parameterization; x != y {
		return fault.Inputf("%s predicts %s and %s %s: models to merge predict the same", a.path, x, b.path, y)
	}
	for name, shape := range a.shapes {
		if other := b.shapes[name]; !shape.Equal(other) {
			what := "has none"
			if other != nil {
				what = "has it as " + other.String()
			}
			return fault.Inputf("%s is %v in %s, and %s %s: want models of one structure", name, shape, a.path, b.path, what)
		}
	}
	if len(a.shapes) != len(b.shapes) {
		return fault.Inputf("%s has %d parameters and %s %d: want models of one structure", a.path, len(a.shapes), b.path, len(b.shapes))
	}
	return nil
}

// merged merges parameter by parameter.
func merged(ctx context.Context, parts []part, recipe merge.Recipe, hold tensor.Format) (engine.Vars, error) {
	var all [3]engine.Vars
	for i, p := range parts {
		var err error
		if all[i], err = p.file.Weights(p.net); err != nil {
			return nil, err
		}
	}
	bar := newMeter("merging", len(parts[0].shapes), "tensors")
	defer bar.Close()
	out := engine.Vars{}
	for name := range parts[0].shapes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t := recipe.Tensors(name, all[0][name], all[1][name], all[2][name])
		if hold != tensor.F32 {
			half := make([]uint16, len(t.F32))
			hold.Narrow(half, t.F32)
			t = tensor.OfHalf(half, hold, t.Shape...)
		}
		out[name] = t
		for i, p := range parts {
			p.file.Release(all[i][name])
		}
		bar.Set(float64(len(out)))
	}
	return out, nil
}

// notes say in the file how it was made.
func notes(paths []string, r merge.Recipe) map[string]string {
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	recipe, _ := json.Marshal(map[string]any{
		"type": "ldm", "interp_method": []string{"Weighted sum", "Add difference"}[r.Method], "multiplier": r.Multiplier, "blocks": r.Blocks, "models": names,
	})
	return map[string]string{"sd_merge_recipe": string(recipe)}
}
