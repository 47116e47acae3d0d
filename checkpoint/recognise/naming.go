package recognise

import (
	"slices"
	"strings"
)

// wrappers put something before all names.
var wrappers = []string{"module.", "_orig_mod.", "state_dict."}

// towerParts are the parts of CLIP's text tower; some files lack text_model
// before them, as those of NovelAI and its many merges.
var towerParts = []string{"embeddings.", "encoder.", "final_layer_norm."}

const prefixTower = prefixConditioner + "transformer."

// Rename maps the names of a file to the reference's, where they are those of a
// program that writes them otherwise; nil where there is nothing to change.
func Rename(names []string) map[string]string {
	out := make(map[string]string, len(names))
	changed := false
	strip := wrapper(names)
	for _, name := range names {
		to := strings.TrimPrefix(name, strip)
		if rest, ok := strings.CutPrefix(to, prefixTower); ok && slices.ContainsFunc(towerParts, func(p string) bool { return strings.HasPrefix(rest, p) }) {
			to = prefixTower + "text_model." + rest
		}
		out[name] = to
		changed = changed || to != name
	}
	if !changed {
		return nil
	}
	return out
}

// wrapper is what stands before all names alike, of what is known to.
func wrapper(names []string) string {
	var all string
	for {
		next := ""
		for _, w := range wrappers {
			if len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, all+w) }) {
				next = w
			}
		}
		if next == "" {
			return all
		}
		all += next
	}
}

// StagePrefix is what stands before the names of a first stage in the reference's
// naming, as first_stage_model. in a diffusion model. ok is false where there is
// none, or more than one.
func StagePrefix(names []string) (prefix string, ok bool) {
	const first, second = "encoder.conv_in.weight", "decoder.conv_in.weight"
	var found []string
	decoders := map[string]bool{}
	for _, name := range names {
		if p, is := strings.CutSuffix(name, second); is {
			decoders[p] = true
		}
	}
	for _, name := range names {
		p, is := strings.CutSuffix(name, first)
		if is && (p == "" || strings.HasSuffix(p, ".")) && decoders[p] {
			found = append(found, p)
		}
	}
	if slices.Contains(found, prefixFirstStage) { // the conditioner may hold the same once more
		return prefixFirstStage, true
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}
