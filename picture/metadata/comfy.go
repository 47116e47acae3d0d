package metadata

import (
	"sort"
	"strconv"
	"strings"
)

// comfy is the graph of nodes that ComfyUI writes: by their names, each with a
// class and inputs, which are values or links [name, output].
type comfy map[string]comfyNode

type comfyNode struct {
	name, class string
	inputs      map[string]any
}

// maxDepth bounds how far links are followed.
const maxDepth = 64

// readComfy follows the graph from the sampler back to texts, model and size.
func readComfy(k keyed) (Settings, bool) {
	o, ok := k.object("prompt")
	if !ok {
		// Some nodes that save JPEGs put everything into the comment.
		all, found := k.object("parameters")
		inner, isMap := all["prompt"].(map[string]any)
		if !found || !isMap {
			return Settings{}, false
		}
		o = inner
	}
	g := comfy{}
	for name, v := range o {
		node, _ := v.(map[string]any)
		class, _ := node["class_type"].(string)
		inputs, _ := node["inputs"].(map[string]any)
		if class != "" {
			g[name] = comfyNode{name, class, inputs}
		}
	}
	if len(g) == 0 {
		return Settings{}, false
	}
	s := Settings{Program: "ComfyUI"}
	main, others := g.samplers()
	if main == nil {
		s.Left = append(s.Left, "the graph has no sampler that is known")
		return s, true
	}
	g.fill(&s, *main)
	for _, other := range others {
		s.Left = append(s.Left, "another pass: node "+other.name+" ("+other.class+")")
	}
	s.Left = append(s.Left, g.additions()...)
	return s, true
}

// samplers finds the node that makes the picture from noise, and further passes.
func (g comfy) samplers() (main *comfyNode, others []comfyNode) {
	var list []comfyNode
	for _, name := range g.names() {
		n := g[name]
		_, positive := n.inputs["positive"]
		_, guider := n.inputs["guider"]
		_, latent := n.inputs["latent_image"]
		if latent && (positive || guider) {
			list = append(list, n)
		}
	}
	for i, n := range list {
		if source, ok := g.follow(n.inputs["latent_image"]); ok && strings.Contains(source.class, "Empty") {
			main = &list[i]
			break
		}
	}
	if main == nil && len(list) > 0 {
		main = &list[0]
	}
	for i := range list {
		if &list[i] != main {
			others = append(others, list[i])
		}
	}
	return main, others
}

// names lists the nodes, numbers in their order.
func (g comfy) names() []string {
	names := sortedKeys(g)
	sort.SliceStable(names, func(i, j int) bool {
		a, errA := strconv.Atoi(names[i])
		b, errB := strconv.Atoi(names[j])
		return errA == nil && errB == nil && a < b
	})
	return names
}

func (g comfy) fill(s *Settings, n comfyNode) {
	settings := []string{"noise", "guider", "sampler", "sigmas", "seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "denoise", "basic_pipe"}
	value := func(keys ...string) any { return g.value(n, keys, settings, maxDepth) }
	s.Seed = seedOf(value("seed", "noise_seed"))
	s.Steps = integerOf(value("steps"))
	s.Guidance = numberOf(value("cfg"))
	s.Sampler = textOf(value("sampler_name"))
	s.Schedule = textOf(value("scheduler"))
	if d := numberOf(value("denoise")); d != nil && *d != 1 {
		s.Strength = d
	}
	prompts := n
	if guider, ok := g.follow(n.inputs["guider"]); ok {
		prompts = guider
	}
	positive, more := g.texts(prompts, "positive", "conditioning")
	negative, moreNegative := g.texts(prompts, "negative")
	s.Prompt, s.Negative = positive, negative
	for _, t := range append(more, moreNegative...) {
		s.Left = append(s.Left, "another text: "+t)
	}
	if latent, ok := g.follow(n.inputs["latent_image"]); ok {
		s.Width = integerOf(g.value(latent, []string{"width"}, []string{"width"}, maxDepth))
		s.Height = integerOf(g.value(latent, []string{"height"}, []string{"height"}, maxDepth))
	}
	models := []string{"model", "guider", "clip", "basic_pipe"}
	s.Model = textOf(g.value(n, []string{"ckpt_name", "unet_name", "model_name"}, models, maxDepth))
	for _, name := range g.names() {
		if skip := integerOf(g[name].inputs["stop_at_clip_layer"]); skip < 0 {
			s.ClipSkip = -skip
		}
	}
}

// follow is the node that a link leads to.
func (g comfy) follow(link any) (comfyNode, bool) {
	pair, ok := link.([]any)
	if !ok || len(pair) != 2 {
		return comfyNode{}, false
	}
	n, there := g[textOf(pair[0])]
	return n, there
}

// value is an input of a node, or of the nodes that its links of these names
// lead to. A link in the place of the value leads to a node that holds it.
func (g comfy) value(n comfyNode, keys, links []string, depth int) any {
	if depth == 0 {
		return nil
	}
	for _, key := range keys {
		v := n.inputs[key]
		if source, ok := g.follow(v); ok {
			held := append([]string{"value", "text", "string", "int", "float", "number", "seed"}, keys...)
			if found := g.value(source, held, nil, depth-1); found != nil {
				return found
			}
		} else if textOf(v) != "" {
			return v
		}
	}
	for _, link := range links {
		if source, ok := g.follow(n.inputs[link]); ok {
			if found := g.value(source, keys, links, depth-1); found != nil {
				return found
			}
		}
	}
	return nil
}

// texts collects the texts behind an input: the first, and others that are
// joined with it.
func (g comfy) texts(n comfyNode, inputs ...string) (first string, more []string) {
	var all []string
	seen := map[string]bool{}
	var visit func(n comfyNode, depth int)
	visit = func(n comfyNode, depth int) {
		if depth == 0 || seen[n.name] {
			return
		}
		seen[n.name] = true
		if t := strings.TrimSpace(textOf(g.value(n, []string{"text", "text_g", "prompt", "string", "wildcard_text"}, nil, maxDepth))); t != "" {
			all = append(all, t)
			return
		}
		for _, key := range sortedKeys(n.inputs) {
			if key == otherSide[inputs[0]] && n.inputs[inputs[0]] != nil {
				continue // nodes that take and give both
			}
			if source, ok := g.follow(n.inputs[key]); ok && !notText[key] {
				visit(source, depth-1)
			}
		}
	}
	for _, input := range inputs {
		if source, ok := g.follow(n.inputs[input]); ok {
			visit(source, maxDepth)
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	return all[0], all[1:]
}

var otherSide = map[string]string{"positive": "negative", "negative": "positive"}

// notText are the inputs behind which no text stands.
var notText = map[string]bool{"clip": true, "model": true, "vae": true, "image": true, "control_net": true, "latent_image": true, "samples": true, "clip_vision": true, "clip_vision_output": true}

// additions names what else takes part in a graph.
func (g comfy) additions() []string {
	var list []string
	for _, name := range g.names() {
		n := g[name]
		for _, key := range []string{"lora_name", "control_net_name", "vae_name", "upscale_method", "style_model_name", "embedding"} {
			if v := textOf(n.inputs[key]); v != "" && v != "None" {
				list = append(list, n.class+": "+v)
			}
		}
	}
	return list
}
