package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/picture/metadata"
	"github.com/ldm-go/ldm/sampler"
)

// repeat sets the flags that were not given to what --from-image was made with.
func (f *drawFlags) repeat(cmd *cobra.Command) error {
	if f.from == "" || f.repeated {
		return nil
	}
	f.repeated = true
	s, err := metadata.Read(f.from)
	switch {
	case err != nil:
		return err
	case s.Program == "":
		return fault.Inputf("%s does not say how it was made", f.from)
	}
	var own recipe
	if len(s.Own) > 0 && json.Unmarshal(s.Own, &own) == nil && own.Flags != nil {
		return f.repeatOwn(cmd, own)
	}
	return f.repeatOther(cmd, s)
}

// repeatOwn takes a recipe of this program over.
func (f *drawFlags) repeatOwn(cmd *cobra.Command, r recipe) error {
	if r.Task != cmd.Name() {
		return fault.Inputf("%s was made by ldm %s: want ldm %s --from-image %s", f.from, r.Task, r.Task, f.from)
	}
	b, ok := inBox(r.Model.Name)
	if flag := cmd.Flags().Lookup("model"); flag != nil && f.model.path == "" && ok && b.name != boxName && b.sha256() == r.Model.SHA256 {
		f.model.path = b.name
	} else if flag != nil && f.model.path == "" && r.Model.Name != boxName {
		return fault.Inputf("%s was made with the model %s (SHA-256 %.10s): name its file with --model", f.from, r.Model.Name, r.Model.SHA256)
	}
	f.model_.want = r.Model.SHA256
	for _, name := range slices.Sorted(maps.Keys(r.Flags)) {
		values := r.Flags[name]
		flag := cmd.Flags().Lookup(name)
		if elsewhere[name] || flag == nil || flag.Changed || len(values) == 0 {
			if flag == nil {
				status(fmt.Sprintf("%s: --%s is unknown here and left out", f.from, name))
			}
			continue
		}
		if in, ok := r.Inputs[name]; ok {
			path, err := f.found(values[0], in)
			if err != nil {
				return err
			}
			values = []string{path}
		}
		if err := set(cmd, flag, values); err != nil {
			return fault.Filef("%s: --%s: %w", f.from, name, err)
		}
	}
	return nil
}

func set(cmd *cobra.Command, flag *pflag.Flag, values []string) error {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		flag.Changed = true
		return list.Replace(values)
	}
	return cmd.Flags().Set(flag.Name, values[0])
}

// found looks for a file that a picture was made of: where it was, and beside the
// picture.
func (f *drawFlags) found(path string, want file) (string, error) {
	for _, p := range []string{path, filepath.Join(filepath.Dir(f.from), want.Name)} {
		if _, err := os.Stat(p); err != nil {
			continue
		}
		if sum, err := modelfile.SHA256(p); err != nil || sum != want.SHA256 {
			status(fmt.Sprintf("%s has changed since %s was made of it", p, f.from))
		}
		return p, nil
	}
	return "", fault.Inputf("%s was made of %s, which is not there", f.from, path)
}

// repeatOther takes over what this program and others have in common, and says what
// it cannot repeat.
func (f *drawFlags) repeatOther(cmd *cobra.Command, s metadata.Settings) error {
	f.skipIsTheirs = !cmd.Flags().Changed("clip-skip")
	say := func(text string, args ...any) { status(f.from + ": " + fmt.Sprintf(text, args...)) }
	take := func(name, value string) {
		flag := cmd.Flags().Lookup(name)
		switch {
		case value == "":
		case flag == nil:
			say("%s %s is left out: ldm %s has no --%s", name, value, cmd.Name(), name)
		case !flag.Changed:
			if err := cmd.Flags().Set(name, value); err != nil {
				say("%s %s is left out: %v", name, value, err)
			}
		}
	}
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return metadata.Number(*v)
	}
	whole := func(v int) string {
		if v == 0 {
			return ""
		}
		return strconv.Itoa(v)
	}
	take("prompt", s.Prompt)
	take("negative-prompt", s.Negative)
	take("steps", whole(s.Steps))
	take("cfg-scale", number(s.Guidance))
	take("width", whole(s.Width))
	take("height", whole(s.Height))
	take("strength", number(s.Strength))
	take("clip-skip", whole(s.ClipSkip))
	take("eta", number(s.Eta))
	if s.Seed != nil {
		take("seed", strconv.FormatUint(*s.Seed, 10))
	}
	if _, _, err := sampler.Parse(s.Sampler); s.Sampler != "" && err != nil {
		say("sampler %s is unknown here and left out", s.Sampler)
	} else {
		take("sampler", s.Sampler)
	}
	if _, err := sampler.ParseSchedule(s.Schedule); err != nil {
		say("schedule %s is unknown here and left out", s.Schedule)
	} else {
		take("scheduler", s.Schedule)
	}
	take("rng", randomOf(s))
	if s.Program != "ldm" && randomOf(s) == "" {
		say("the random numbers of %s are unknown: the seed gives another picture here", s.Program)
	}
	if b, ok := inBox(s.Model); ok && f.model.path == "" && b.name != boxName {
		f.model.path = b.name
	}
	if f.model.path == "" && s.Model != "" && s.Model != boxName {
		say("it was made with the model %s %s: name its file with --model", s.Model, s.Hash)
	}
	for _, line := range s.Left {
		if key, _, _ := strings.Cut(line, ":"); !repeated[key] {
			say("cannot be repeated: %s", line)
		}
	}
	return nil
}

// repeated are the fields that other places of a picture's settings cover.
var repeated = map[string]bool{"RNG": true, "Task": true, "Class": true, "CFG Rescale": true}

// randomOf names the random numbers that a program drew.
func randomOf(s metadata.Settings) string {
	switch s.Program {
	case "A1111", "SD.Next":
		if slices.Contains(s.Left, "RNG: CPU") {
			return "torch-cpu"
		}
		return "torch-cuda"
	case "ComfyUI", "InvokeAI", "SwarmUI", "Fooocus":
		return "torch-cpu"
	case "ldm":
		for line, source := range map[string]string{"RNG: CPU": "torch-cpu", "RNG: GPU": "torch-cuda"} {
			if slices.Contains(s.Left, line) {
				return source
			}
		}
	}
	return ""
}
