package intake

import (
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/job"
)

// texts says, or refuses, what a model without texts would not read.
func (k *check) texts() {
	if k.m.Can(job.TextToImage) || k.r.Prompt == "" && k.r.NegativePrompt == "" {
		return
	}
	if k.in.Strict {
		k.fail("prompt", fields.Unsupported, "model %s takes no text", k.m.ID)
	}
	k.warnings = append(k.warnings, fmt.Sprintf("model %s takes no text: the prompt has no effect", k.m.ID))
}

// loras finds the changes of weights that the prompt asks for.
func (k *check) loras() {
	if _, tags, err := lora.Tags(k.r.NegativePrompt); err != nil || len(tags) > 0 {
		k.fail("negative_prompt", fields.Unsupported, "a LoRA in the negative prompt: want it in the prompt, perhaps with a strength below 0")
	}
	_, tags, err := lora.Tags(k.r.Prompt)
	if err != nil {
		k.fail("prompt", fields.InvalidValue, "%v", err)
	}
	have := k.adapters()
	for _, tag := range tags {
		l, ok := have.LoRA(tag.Name)
		if !ok {
			k.fail("prompt", fields.Unsupported, "there is no LoRA %q: %s", tag.Name, known(have.LoRAs))
			return
		}
		k.r.LoRAs = append(k.r.LoRAs, job.LoRA{Name: l.Name, UNet: tag.UNet, Text: tag.Text})
	}
}

// known lists LoRAs for an error.
func known(loras []catalog.LoRA) string {
	var names []string
	for _, l := range loras {
		names = append(names, l.Name)
	}
	return listed(names, "--lora-dir")
}

// adapters are what this server has.
func (k *check) adapters() (have catalog.Adapters) {
	if k.Adapters != nil {
		have = k.Adapters()
	}
	return have
}

// class settles the label of class-conditional models.
func (k *check) class() {
	if k.in.Class != nil && k.m.Classes == 0 {
		k.fail("class", fields.Unsupported, "model %s has no classes", k.m.ID)
		return
	}
	var n int
	switch v := k.in.Class.(type) {
	case nil:
		if k.r.Type == job.ClassToImage {
			k.fail("class", fields.Missing, "want the number of a class, 0 to %d, or its name", k.m.Classes-1)
		}
		return
	case string:
		if n = slices.Index(k.m.Names, v); n < 0 {
			k.fail("class", fields.InvalidValue, "%q is not the name of a class of model %s", v, k.m.ID)
		}
	case int64:
		n = k.whole("class", &v, 0, 0, int64(k.m.Classes-1))
	default:
		k.fail("class", fields.InvalidType, "want the number of a class or its name")
	}
	k.r.Class = &n
}
