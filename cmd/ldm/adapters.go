package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/fault"
)

// adapterFlags say what lies on a model's weights.
type adapterFlags struct {
	loras, words []string
	dir          string

	ctx  context.Context
	uses []lora.Use // of the flags and of the prompt
	set  []lora.Use // what lies on the model

	taught bool // the words
}

func (f *adapterFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.loras, "lora", nil, "LoRA (or LoCon, LoHa, LoKr, DoRA) on the model, FILE[:STRENGTH], or NAME[:STRENGTH] in --lora-dir or in this program (emoji-lcm); may be repeated")
	cmd.Flags().StringArrayVar(&f.words, "embedding", nil, "learnt word (textual inversion) for prompts, FILE or NAME=FILE; without NAME as the file says, or as it is called; may be repeated")
	cmd.Flags().StringVar(&f.dir, "lora-dir", "", "folder of the LoRAs that --lora and <lora:NAME:0.8> in prompts name")
}

// prepare looks for all adapters, before any work is done, and takes those that a
// prompt names out of it.
func (f *adapterFlags) prepare(ctx context.Context, prompt, negative string) error {
	_, tags, err := lora.Tags(negative)
	if err != nil {
		return err
	}
	if len(tags) > 0 {
		return fault.Inputf("<lora:%s> in the negative prompt: want it in the prompt, perhaps with a strength below 0", tags[0].Name)
	}
	if _, tags, err = lora.Tags(prompt); err != nil {
		return err
	}
	for _, word := range f.words {
		if _, path, ok := strings.Cut(word, "="); ok {
			word = path
		}
		if _, err := os.Stat(word); err != nil {
			return fault.Inputf("--embedding %w", err)
		}
	}
	f.ctx, f.uses = ctx, nil
	for _, text := range f.loras {
		use, err := f.flag(text)
		if err != nil {
			return fault.Inputf("--lora %s: %w", text, err)
		}
		f.uses = append(f.uses, use)
	}
	for _, tag := range tags {
		if f.dir == "" && tag.Name != studentName {
			return fault.Inputf("<lora:%s> in the prompt: want --lora-dir, the folder that it is in", tag.Name)
		}
		use, err := findLoRA(tag.Name, f.dir)
		if err != nil {
			return err
		}
		use.UNet, use.Text = tag.UNet, tag.Text
		f.uses = append(f.uses, use)
	}
	return nil
}

// flag reads FILE:0.8.
func (f *adapterFlags) flag(text string) (lora.Use, error) {
	use, err := findLoRA(text, f.dir)
	if err == nil {
		return use, nil
	}
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return lora.Use{}, err
	}
	strength, bad := lora.ParseStrength(text[at+1:])
	if use, err = findLoRA(text[:at], f.dir); err == nil {
		err = bad
	}
	use.UNet, use.Text = strength, strength
	return use, err
}

// plain is a prompt without the adapters that it names.
func plain(prompt string) string {
	rest, _, _ := lora.Tags(prompt) // prepare has reported what is wrong
	return rest
}

// apply puts the adapters on a model, in place of those that it has.
func (f *adapterFlags) apply(m *ldm.Model) error {
	if len(f.words) > 0 && !f.taught {
		names, err := m.SetEmbeddings(f.words...)
		if err != nil {
			return err
		}
		f.taught = true
		status("learnt words for prompts: " + strings.Join(names, ", "))
	}
	if slices.Equal(f.uses, f.set) {
		return nil
	}
	unused, err := m.SetLoRA(f.ctx, f.uses...)
	if err != nil {
		return err
	}
	f.set = f.uses
	const most = 8
	for i, line := range unused {
		if i == most {
			status(fmt.Sprintf("not used: and %d more", len(unused)-most))
			break
		}
		status("not used: " + line)
	}
	return nil
}
