package lora

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// Tag is an adapter that a prompt asks for, in the language of A1111: <lora:NAME>,
// <lora:NAME:0.8>, <lora:NAME:TEXT:UNET>, <lora:NAME:te=0.5:unet=1>; <lyco:...>
// means the same.
type Tag struct {
	Name       string
	UNet, Text float64
}

var tagPattern = regexp.MustCompile(`<(lora|lyco):([^<>]*)>`)

// Tags takes the adapters out of a prompt, and gives the prompt that is left.
func Tags(prompt string) (rest string, tags []Tag, err error) {
	rest = tagPattern.ReplaceAllStringFunc(prompt, func(text string) string {
		tag, bad := parseTag(tagPattern.FindStringSubmatch(text)[2])
		if bad != nil && err == nil {
			err = fault.Inputf("%s in the prompt: %w", text, bad)
		}
		tags = append(tags, tag)
		return ""
	})
	if len(tags) > 0 {
		rest = strings.Join(strings.Fields(rest), " ")
	}
	return rest, tags, err
}

// parseTag reads what stands behind the first colon.
func parseTag(text string) (Tag, error) {
	fields := strings.Split(text, ":")
	tag := Tag{Name: strings.TrimSpace(fields[0]), UNet: math.NaN(), Text: 1}
	if tag.Name == "" {
		return tag, fault.Inputf("the name is missing: want <lora:NAME:0.8>")
	}
	place := 0
	for _, field := range fields[1:] {
		key, value, named := strings.Cut(field, "=")
		if !named {
			place++
			key, value = []string{"te", "unet", "dyn"}[min(place, 3)-1], field
		}
		v, err := ParseStrength(value)
		if err != nil {
			return tag, err
		}
		switch strings.TrimSpace(key) {
		case "te":
			tag.Text = v
		case "unet":
			tag.UNet = v
		default:
			return tag, fault.Inputf("%q: want one strength, or those of the text encoder and the U-Net (te=0.5:unet=1)", field)
		}
	}
	if math.IsNaN(tag.UNet) {
		tag.UNet = tag.Text
	}
	return tag, nil
}

// ParseStrength reads how strongly an adapter is used.
func ParseStrength(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(math.Abs(v) <= 100) {
		return 0, fault.Inputf("strength %q: want a number from -100 to 100, such as 0.8", text)
	}
	return v, nil
}

// Extensions are what the names of adapters' files end with.
var Extensions = []string{".safetensors", ".pt", ".ckpt", ".bin", ".pth"}

// Find is the file of an adapter: a path, or a name, with its extension or
// without, of one in the folder dir ("" for none) or below it.
func Find(name, dir string) (string, error) {
	if st, err := os.Stat(name); err == nil && !st.IsDir() {
		return name, nil
	}
	if dir == "" {
		return "", fault.Inputf("there is no adapter %q: want a file, or a name in a folder of adapters", name)
	}
	var found, all []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		ext := strings.ToLower(filepath.Ext(path))
		if err != nil || e.IsDir() || !slices.Contains(Extensions, ext) {
			return err
		}
		base := filepath.Base(path)
		stem := base[:len(base)-len(ext)]
		inside, _ := filepath.Rel(dir, path)
		inside = filepath.ToSlash(inside)
		if name == base || name == stem || name == inside || name == inside[:len(inside)-len(ext)] {
			found = append(found, path)
		}
		all = append(all, stem)
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fault.Inputf("adapter %q: %s are called so", name, strings.Join(found, " and "))
	}
	slices.Sort(all)
	if n := len(all); n > 12 {
		all = append(all[:12], "and "+strconv.Itoa(n-12)+" more")
	}
	return "", fault.Inputf("there is no adapter %q in %s: it has %s", name, dir, strings.Join(all, ", "))
}
