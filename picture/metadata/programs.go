package metadata

import (
	"regexp"
	"strings"
)

// readNovelAI understands NovelAI: the prompt as Description, the rest as JSON
// under Comment.
func readNovelAI(k keyed) (Settings, bool) {
	if !strings.HasPrefix(k["Software"], "NovelAI") {
		return Settings{}, false
	}
	s := Settings{Program: "NovelAI", Model: k["Source"], Prompt: k["Description"]}
	o, ok := k.object("Comment")
	if !ok {
		return s, true
	}
	if prompt := o.text("prompt"); prompt != "" {
		s.Prompt = prompt
	}
	positive, negative := o.object("v4_prompt"), o.object("v4_negative_prompt")
	if s.Negative = o.text("uc"); s.Negative == "" {
		s.Negative = negative.caption()
	}
	if characters, _ := positive.object("caption").take("char_captions").([]any); len(characters) > 0 {
		s.Left = append(s.Left, "char_captions: "+compact(characters))
	}
	s.common(o)
	s.Schedule = o.text("noise_schedule")
	s.Left = append(s.Left, o.without("request_type", "signed_hash", "n_samples", "legacy_v3_extend", "version").rest("")...)
	return s, true
}

// caption is the text of NovelAI's fourth form of prompts.
func (o object) caption() string {
	inner, _ := o["caption"].(map[string]any)
	return textOf(inner["base_caption"])
}

// common takes the members that most programs call by these names.
func (s *Settings) common(o object) {
	s.Steps = o.integer("steps", "num_inference_steps")
	s.Sampler = o.text("sampler", "sampler_name")
	s.Guidance = o.number("scale", "cfg_scale", "cfgscale", "guidance_scale", "CfgScale")
	s.Seed = o.seed("seed")
	s.Width, s.Height = o.integer("width"), o.integer("height")
	s.Strength = o.number("strength", "denoising_strength", "strength_steps", "initimagecreativity")
}

func (o object) without(names ...string) object {
	for _, name := range names {
		delete(o, name)
	}
	return o
}

// readInvoke understands InvokeAI from version 3 on.
func readInvoke(k keyed) (Settings, bool) {
	o, ok := k.object("invokeai_metadata")
	if !ok {
		return Settings{}, false
	}
	s := Settings{Program: "InvokeAI", Version: o.text("app_version"), Prompt: o.text("positive_prompt"), Negative: o.text("negative_prompt")}
	s.common(o)
	s.Sampler = o.text("scheduler")
	model := o.object("model")
	s.Model, s.Hash = model.text("model_name", "name"), model.text("hash")
	s.ClipSkip = o.integer("clip_skip", "skipped_layers")
	if s.ClipSkip > 0 {
		s.ClipSkip++ // it counts the layers that are left out
	}
	s.Left = o.without("generation_mode", "rand_device", "ref_images", "controlnets", "loras").rest("")
	return s, true
}

// readInvokeOld understands InvokeAI and its predecessors before version 3.
func readInvokeOld(k keyed) (Settings, bool) {
	o, ok := k.object("sd-metadata")
	if !ok {
		return Settings{}, false
	}
	s := Settings{Program: "InvokeAI", Version: o.text("app_version"), Model: o.text("model_weights", "model_id"), Hash: o.text("model_hash")}
	image := o.object("image")
	if list, _ := o.take("images").([]any); image == nil && len(list) > 0 { // a grid, of which this is the first
		image, _ = list[0].(map[string]any)
		if len(list) > 1 {
			s.Left = append(s.Left, "a grid of pictures; these are the settings of the first")
		}
	}
	switch prompt := image.take("prompt").(type) {
	case string:
		s.Prompt = prompt
	case []any:
		var parts []string
		for _, p := range prompt {
			part, _ := p.(map[string]any)
			parts = append(parts, textOf(part["prompt"]))
			if w := numberOf(part["weight"]); w != nil && *w != 1 {
				s.Left = append(s.Left, "weight of \""+textOf(part["prompt"])+"\": "+textOf(part["weight"]))
			}
		}
		s.Prompt = strings.Join(parts, " ")
	}
	s.splitBrackets()
	s.common(image)
	if image.text("type") == "txt2img" {
		s.Strength = nil
	}
	s.Left = append(s.Left, image.without("orig_hash").rest("")...)
	return s, true
}

var brackets = regexp.MustCompile(`\[([^\[\]]*)\]`)

// splitBrackets takes the negative parts, which stood in brackets, out of a prompt.
func (s *Settings) splitBrackets() {
	var negative []string
	for _, m := range brackets.FindAllStringSubmatch(s.Prompt, -1) {
		negative = append(negative, strings.TrimSpace(m[1]))
	}
	s.Negative = strings.Join(negative, " ")
	s.Prompt = strings.TrimSpace(brackets.ReplaceAllString(s.Prompt, ""))
}

// readDream understands the command line that InvokeAI's predecessors wrote.
func readDream(k keyed) (Settings, bool) {
	text, there := k["Dream"]
	if !there {
		return Settings{}, false
	}
	s := Settings{Program: "InvokeAI"}
	rest := text
	if strings.HasPrefix(text, `"`) {
		if end := strings.LastIndex(text, `" -`); end > 0 {
			s.Prompt, rest = text[1:end], text[end+1:]
		}
	} else if i := strings.Index(text, " -"); i >= 0 {
		s.Prompt, rest = strings.TrimSpace(text[:i]), text[i:]
	} else {
		s.Prompt, rest = text, ""
	}
	for words := strings.Fields(rest); len(words) > 0; {
		var name, value string
		name, value, words = dreamFlag(words)
		s.dream(name, strings.Trim(value, `"`))
	}
	s.splitBrackets()
	return s, true
}

// dreamFlag cuts the first flag off: -s 50, -s50 or -F.
func dreamFlag(words []string) (name, value string, rest []string) {
	word, rest := words[0], words[1:]
	if len(word) > 2 && word[0] == '-' && strings.IndexByte("sSWHCAf", word[1]) >= 0 {
		return word[1:2], word[2:], rest
	}
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		value, rest = rest[0], rest[1:]
	}
	return strings.TrimPrefix(word, "-"), value, rest
}

func (s *Settings) dream(name, value string) {
	switch name {
	case "s":
		s.Steps = integerOf(value)
	case "S":
		s.Seed = seedOf(value)
	case "W":
		s.Width = integerOf(value)
	case "H":
		s.Height = integerOf(value)
	case "C":
		s.Guidance = numberOf(value)
	case "A":
		s.Sampler = value
	case "f":
		s.Strength = numberOf(value)
	default:
		s.Left = append(s.Left, strings.TrimSpace("-"+name+" "+value))
	}
}

var pair = regexp.MustCompile(`([0-9]+)\D+([0-9]+)`)

// readFooocus understands Fooocus's own form, JSON as parameters.
func readFooocus(k keyed) (Settings, bool) {
	o, ok := k.object("parameters")
	if !ok || o["base_model"] == nil {
		return Settings{}, false
	}
	s := Settings{Program: "Fooocus", Prompt: o.text("prompt"), Negative: o.text("negative_prompt")}
	s.Program, s.Version = program(o.text("version"))
	s.Program = "Fooocus"
	s.common(o)
	s.Schedule = o.text("scheduler")
	s.Model, s.Hash, s.ClipSkip = o.text("base_model"), o.text("base_model_hash"), o.integer("clip_skip")
	if m := pair.FindStringSubmatch(o.text("resolution")); m != nil {
		s.Width, s.Height = integerOf(m[1]), integerOf(m[2])
	}
	s.Left = o.without("metadata_scheme", "created_by", "full_prompt", "full_negative_prompt").rest("")
	return s, true
}

// readSwarm understands SwarmUI.
func readSwarm(k keyed) (Settings, bool) {
	all, ok := k.object("parameters")
	o := all.object("sui_image_params")
	if !ok || o == nil {
		return Settings{}, false
	}
	s := Settings{Program: "SwarmUI", Version: o.text("swarm_version"), Prompt: strings.TrimSpace(o.text("prompt")), Negative: strings.TrimSpace(o.text("negativeprompt")), Model: o.text("model")}
	s.common(o)
	s.Schedule = o.text("scheduler")
	s.Left = o.without("aspectratio", "automaticvae", "images").rest("")
	return s, true
}

// readJSON understands JSON of programs that are not known, by the usual names.
func readJSON(k keyed) (Settings, bool) {
	for _, key := range []string{"parameters", "parameters-json", "Comment", "prompt"} {
		all, ok := k.object(key)
		if !ok {
			continue
		}
		o := object{}
		for name, v := range all {
			o[strings.ToLower(strings.NewReplacer("_", "", " ", "", "-", "").Replace(name))] = v
		}
		s := Settings{Program: "unknown", Prompt: o.text("prompt", "positiveprompt"), Negative: o.text("negativeprompt", "uc")}
		if s.Prompt == "" {
			continue
		}
		s.Steps = o.integer("steps", "numinferencesteps")
		s.Sampler, s.Schedule = o.text("sampler", "samplername"), o.text("scheduler", "schedule")
		s.Guidance = o.number("cfgscale", "guidancescale", "cfg", "scale")
		s.Seed, s.Strength = o.seed("seed"), o.number("strength", "denoisingstrength")
		s.Width, s.Height = o.integer("width"), o.integer("height")
		if m := pair.FindStringSubmatch(o.text("resolution", "size")); m != nil {
			s.Width, s.Height = integerOf(m[1]), integerOf(m[2])
		}
		s.Model, s.Hash = o.text("model", "modelname"), o.text("modelhash")
		s.Left = o.rest("")
		return s, true
	}
	return Settings{}, false
}
