package main

import (
	"errors"
	"fmt"
	"image"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
)

// axis is a setting with the values that a grid has it at.
type axis struct {
	flag   string
	values []string
}

// fixed are the flags that a grid cannot vary.
var fixed = []string{"n", "out", "force", "grid", "model", "config", "weights", "legacy-heads", "ignore-keys", "precision", "exact", "hold",
	"threads", "max-memory", "preview", "from-image", "no-metadata", "help", "fit", "lora", "lora-dir", "embedding"}

var axisForm = regexp.MustCompile(`^([a-zA-Z][a-z-]*)=(.+)$`)

// secondAxis takes the second setting of --grid A B, which stands as an argument.
func (f *drawFlags) secondAxis(args []string) ([]string, error) {
	if len(f.grid) != 1 {
		return args, nil
	}
	for i, arg := range args {
		if axisForm.MatchString(arg) {
			f.grid = append(f.grid, arg)
			return slices.Delete(slices.Clone(args), i, i+1), nil
		}
	}
	return args, nil
}

// axes reads --grid, and tries every value.
func (f *drawFlags) axes(cmd *cobra.Command) ([]axis, error) {
	if len(f.grid) > 2 {
		return nil, fault.Inputf("--grid: %d settings: want one or two", len(f.grid))
	}
	var out []axis
	for _, text := range f.grid {
		m := axisForm.FindStringSubmatch(text)
		if m == nil {
			return nil, fault.Inputf("--grid %q: want a setting and its values, as steps=10,20,50", text)
		}
		name := m[1]
		if short := cmd.Flags().ShorthandLookup(name[:1]); len(name) == 1 && short != nil {
			name = short.Name
		}
		if cmd.Flags().Lookup(name) == nil || slices.Contains(fixed, name) || f.inputs[name] {
			return nil, fault.Inputf("--grid %s: ldm %s cannot vary that; want a flag of its settings, as steps, cfg-scale, sampler, seed or prompt", name, cmd.Name())
		}
		separator := ","
		if strings.Contains(m[2], "|") {
			separator = "|" // for values with commas
		}
		a := axis{name, strings.Split(m[2], separator)}
		for i, v := range a.values {
			a.values[i] = strings.TrimSpace(v)
		}
		out = append(out, a)
	}
	if len(out) == 2 && out[0].flag == out[1].flag {
		return nil, fault.Inputf("--grid: %s twice", out[0].flag)
	}
	if len(out) > 0 && f.n > 1 {
		return nil, fault.Inputf("--grid makes one picture for every two values: -n %d cannot be", f.n)
	}
	if len(out) > 0 && f.names.pattern() {
		return nil, fault.Inputf("--grid makes one file: -o %s is a pattern", f.names.out)
	}
	return out, f.tryAxes(cmd, out)
}

// tryAxes refuses values that cannot be before any work is done.
func (f *drawFlags) tryAxes(cmd *cobra.Command, axes []axis) error {
	for _, a := range axes {
		flag := cmd.Flags().Lookup(a.flag)
		before, changed := flag.Value.String(), flag.Changed
		for _, v := range a.values {
			err := cmd.Flags().Set(a.flag, v)
			if err == nil {
				err = f.legal(cmd)
			}
			if err != nil {
				return fault.Inputf("--grid %s=%s: %w", a.flag, v, err)
			}
		}
		flag.Value.Set(before)
		flag.Changed = changed
	}
	return nil
}

// drawGrid makes a picture for every two values, and writes them as one with labels.
func (f *drawFlags) drawGrid(cmd *cobra.Command, m *ldm.Model, axes []axis, build builder) error {
	columns := axes[len(axes)-1]
	rows := axis{values: []string{""}}
	if len(axes) == 2 {
		rows = axes[0]
	}
	total := len(rows.values) * len(columns.values)
	show := newShow(cmd.Context(), f.preview, total)
	defer show.Close()
	var images []image.Image
	var first ldm.Request
	for _, row := range rows.values {
		for _, column := range columns.values {
			err := cmd.Flags().Set(columns.flag, column)
			if rows.flag != "" {
				err = errors.Join(err, cmd.Flags().Set(rows.flag, row))
			}
			if err != nil {
				return err
			}
			img, r, err := f.cell(cmd, m, build, show.part(len(images)))
			if err != nil {
				return err
			}
			if len(images) == 0 {
				first = r
			}
			images = append(images, img)
		}
	}
	t := picture.Table{Columns: labels(columns), Images: images}
	if rows.flag != "" {
		t.Rows = labels(rows)
	}
	return f.keep(cmd, show, t.Draw(), axes, first)
}

// keep writes a grid with the recipe of its first picture, and the settings that vary.
func (f *drawFlags) keep(cmd *cobra.Command, show *show, img image.Image, axes []axis, first ldm.Request) error {
	seed := first.Seeds[0]
	path := f.names.path(0, seed)
	notes, err := f.gridNotes(cmd, axes, first)
	if err != nil {
		return err
	}
	if err := picture.Save(path, img, picture.Options{Notes: notes}); err != nil {
		return err
	}
	return show.Print(f.names.tell(cmd), fmt.Sprintf("%s (seed %d)", path, seed))
}

// gridNotes say how a grid was made. A1111's text has the axes as its X/Y/Z plot names them.
func (f *drawFlags) gridNotes(cmd *cobra.Command, axes []axis, first ldm.Request) ([]picture.Note, error) {
	if f.noMetadata {
		return nil, nil
	}
	for _, a := range axes { // as in the first picture
		if err := cmd.Flags().Set(a.flag, a.values[0]); err != nil {
			return nil, err
		}
	}
	own := f.recipe(cmd, first, 0)
	text := f.parameters(cmd, first, 0, image.Pt(first.Width, first.Height))
	text.Fields = append(text.Fields, metadata.Field{Key: "Script", Value: "X/Y/Z plot"})
	own.Flags["grid"] = nil
	for i, a := range axes {
		delete(own.Flags, a.flag)
		own.Flags["grid"] = append(own.Flags["grid"], f.grid[i])
		name := string("XY"[len(axes)-1-i])
		text.Fields = append(text.Fields, metadata.Field{Key: name + " Type", Value: a.flag},
			metadata.Field{Key: name + " Values", Value: strings.Join(a.values, ", ")})
	}
	return metadata.Notes(text, own)
}

func labels(a axis) []string {
	var out []string
	for _, v := range a.values {
		out = append(out, a.flag+" "+v)
	}
	return out
}

// cell makes one picture of a grid.
func (f *drawFlags) cell(cmd *cobra.Command, m *ldm.Model, build builder, onStep func(ldm.Step)) (img image.Image, r ldm.Request, err error) {
	if r, err = f.requestTo(cmd, m); err != nil {
		return nil, r, err
	}
	if err := f.adapters.prepare(cmd.Context(), f.prompt, f.negative); err != nil {
		return nil, r, err
	}
	if err := f.adapters.apply(m); err != nil {
		return nil, r, err
	}
	after, err := build(m, &r)
	if err != nil {
		return nil, r, err
	}
	undo, err := f.makeFit(m, &r)
	if err != nil {
		return nil, r, err
	}
	r.OnStep = onStep
	out, err := m.Generate(cmd.Context(), r)
	if err != nil {
		return nil, r, err
	}
	images, err := finished(out.Images, out.Request.Seeds, append([]finish{undo}, after...))
	if err != nil {
		return nil, r, err
	}
	return images[0], out.Request, nil
}
