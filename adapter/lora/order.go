package lora

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// ordered are the modules of one part of a model in a file of cloneofsimo/lora,
// which names them by their order alone.
type ordered struct {
	part    string // unet, text_encoder, or "" where the file does not say
	modules []*module
}

// countedModules finds the modules of cloneofsimo/lora: unet:N:up and unet:N:down
// in its safetensors, and in its .pt a list of up and down in turn, whose tensors
// are called 0, 1, ... It gives the names that are left, too.
func countedModules(names []string) (parts []ordered, rest []string) {
	at := map[string]map[int]*module{}
	put := func(group string, n int, p part, name string) {
		if at[group] == nil {
			at[group] = map[int]*module{}
		}
		if at[group][n] == nil {
			at[group][n] = &module{fmt.Sprintf("%s:%d", group, n), map[part]string{}}
		}
		at[group][n].keys[p] = name
	}
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < maxTensors {
			put("", n/2, []part{up, down}[n%2], name)
			continue
		}
		f := strings.Split(name, ":")
		if len(f) == 3 && (f[2] == string(up) || f[2] == string(down)) {
			if n, err := strconv.Atoi(f[1]); err == nil && n >= 0 && n < maxTensors {
				put(f[0], n, part(f[2]), name)
				continue
			}
		}
		rest = append(rest, name)
	}
	for _, group := range []string{"", "unet", "text_encoder"} {
		o := ordered{part: group}
		for n := range len(at[group]) {
			if m := at[group][n]; m != nil {
				o.modules = append(o.modules, m)
			}
		}
		if len(o.modules) > 0 && len(o.modules) == len(at[group]) {
			parts = append(parts, o)
		}
		delete(at, group)
	}
	for _, group := range at {
		for _, m := range group {
			for _, name := range m.keys {
				rest = append(rest, name)
			}
		}
	}
	slices.Sort(rest)
	return parts, rest
}

// place finds the modules that the numbers stand for: of the orders in which
// versions of diffusers count, the one whose shapes are those of the file.
func (b *Base) place(a *Adapter, o ordered) (map[*module]site, error) {
	var counts []string
	for _, order := range b.orders(o.part) {
		if len(order) != len(o.modules) {
			counts = append(counts, strconv.Itoa(len(order)))
			continue
		}
		found := map[*module]site{}
		for i, m := range o.modules {
			if !product(a.shape(m, up), a.shape(m, down), order[i].shape(b.shapes[order[i].weight])) {
				break
			}
			found[m] = order[i]
		}
		if len(found) == len(order) {
			return found, nil
		}
	}
	what := map[string]string{"": "a model", "unet": "the U-Net", "text_encoder": "the text encoder"}[o.part]
	return nil, fault.Inputf("%s: its %d changes of %s, which are counted and not named, fit no %d modules of this model in their shapes (it has %s)",
		a.Name(), len(o.modules), what, len(o.modules), strings.Join(slices.Compact(slices.Sorted(slices.Values(counts))), ", "))
}

// product tells whether up·down has the shape of a weight.
func product(up, down, weight tensor.Shape) bool {
	return len(up) >= 2 && len(down) >= 2 && len(weight) >= 2 && up[0] == weight[0] && up[1:].Size() == down[0] && down[1:].Size() == weight[1:].Size()
}

// orders are the lists of the sites of modules in the orders of counting.
func (b *Base) orders(part string) (all [][]site) {
	if part != "text_encoder" {
		for _, extended := range []bool{false, true} {
			for _, feed := range [][]string{nil, {"attn1", "ff", "attn2"}, {"attn1", "attn2", "ff"}} {
				all = append(all, b.unetOrder(feed, extended, []string{"down", "up", "mid"}), b.unetOrder(feed, extended, []string{"down", "mid", "up"}))
			}
		}
	}
	if part != "unet" {
		var text []site
		for i := 0; ; i++ {
			layer := fmt.Sprintf("text_model.encoder.layers.%d.self_attn.", i)
			if b.text[layer+"k_proj"] == (site{}) {
				break
			}
			for _, leaf := range []string{"k_proj", "v_proj", "q_proj", "out_proj"} {
				text = append(text, b.text[layer+leaf])
			}
		}
		all = append(all, text)
	}
	return all
}

// unetOrder lists the modules of the U-Net's attentions, with those of the
// feed-forwards' gates if the order of a block's layers is given, and with those of
// residual blocks.
func (b *Base) unetOrder(layers []string, resnets bool, halves []string) (out []site) {
	add := func(names ...string) (any bool) {
		for _, name := range names {
			if ours := b.unet[name]; ours != (site{}) {
				out, any = append(out, ours), true
			}
		}
		return any
	}
	attention := func(prefix string) (any bool) {
		for n := 0; ; n++ {
			block := fmt.Sprintf("%s.transformer_blocks.%d.", prefix, n)
			if b.unet[block+"attn1.to_q"] == (site{}) {
				return any
			}
			any = true
			kinds := layers
			if kinds == nil {
				kinds = []string{"attn1", "attn2"}
			}
			for _, kind := range kinds {
				if kind == "ff" {
					add(block + "ff.net.0.proj")
					continue
				}
				add(block+kind+".to_q", block+kind+".to_k", block+kind+".to_v", block+kind+".to_out.0")
			}
		}
	}
	block := func(prefix string) {
		for j := 0; attention(fmt.Sprintf("%s.attentions.%d", prefix, j)); j++ {
		}
		for j := 0; resnets; j++ {
			r := fmt.Sprintf("%s.resnets.%d.", prefix, j)
			if !add(r+"conv1", r+"time_emb_proj", r+"conv2", r+"conv_shortcut") {
				break
			}
		}
	}
	for _, half := range halves {
		if half == "mid" {
			block("mid_block")
			continue
		}
		for i := 0; b.unet[fmt.Sprintf("%s_blocks.%d.resnets.0.conv1", half, i)] != (site{}); i++ {
			block(fmt.Sprintf("%s_blocks.%d", half, i))
		}
	}
	return out
}
