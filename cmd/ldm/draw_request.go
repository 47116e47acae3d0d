package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/sampler"
)

// condition puts what the model is told into a request: texts, a class or nothing.
func (f *drawFlags) condition(cmd *cobra.Command, m *ldm.Model, r *ldm.Request) (err error) {
	given := cmd.Flags().Changed
	if net := m.Network(); net.TextLength() > 0 && !net.LayoutTokens() || net.TakesVectors() {
		if given("class") {
			return fault.Inputf("--class: this model is conditioned on texts: want --prompt")
		}
		f.texts(cmd, m, r)
		return nil
	}
	if given("prompt") || given("negative-prompt") {
		return fault.Inputf("--prompt: this model takes no texts")
	}
	r.Condition, err = classOf(m, given("class"), f.class)
	return err
}

// text takes a prompt that stands without its flag.
func (f *drawFlags) text(cmd *cobra.Command, args []string) error {
	args, err := f.secondAxis(args)
	switch given := cmd.Flags().Changed("prompt"); {
	case err != nil:
		return err
	case len(args) == 0:
		return nil
	case cmd.Flags().Lookup("prompt") == nil:
		return usagef("%q: ldm %s takes no argument", args[0], cmd.Name())
	case len(args) > 1:
		return fault.Inputf("two prompts: %q and %q", args[0], args[1])
	case given:
		return fault.Inputf("two prompts: %q and --prompt %q", args[0], f.prompt)
	}
	return cmd.Flags().Set("prompt", args[0])
}

// requestTo is request with the model's own steps and sampler where no flag names them.
func (f *drawFlags) requestTo(cmd *cobra.Command, m *ldm.Model) (ldm.Request, error) {
	r, err := f.request(cmd)
	if b, ok := inBox(f.model.path); ok && r.Steps == 0 {
		r.Steps = b.steps
	}
	if r.Steps == 0 {
		r.Steps = m.Defaults().Steps
	}
	if r.Sampler.Run == nil {
		r.Sampler = m.Defaults().Sampler
	}
	if err == nil {
		r.Controls, err = f.controls.of(m)
	}
	return r, err
}

// request has the flags' settings; the command adds what the picture is of.
func (f *drawFlags) request(cmd *cobra.Command) (r ldm.Request, err error) {
	r = ldm.Request{Seeds: ldm.Seeds(f.firstSeed(), f.n), Steps: f.steps, Guidance: f.scale, Rescale: f.rescale, Width: f.width, Height: f.height}
	if cmd.Flags().Changed("eta") {
		r.Eta = &f.eta
	}
	if f.sampler != "" {
		if r.Sampler, r.Schedule, err = sampler.Parse(f.sampler); err != nil {
			return r, err
		}
	}
	if f.schedule != "" {
		if r.Schedule, err = sampler.ParseSchedule(f.schedule); err != nil {
			return r, err
		}
	}
	if r.Random, err = sampler.ParseSource(f.rng); err != nil {
		return r, err
	}
	if r.Interval, err = parseInterval(f.interval); err != nil {
		return r, err
	}
	r.Savings, err = f.saved(cmd)
	return r, err
}

// parseInterval reads 0.2,0.8.
func parseInterval(text string) (out [2]float64, err error) {
	if text == "" {
		return out, nil
	}
	from, to, ok := strings.Cut(text, ",")
	var errs [2]error
	out[0], errs[0] = strconv.ParseFloat(strings.TrimSpace(from), 64)
	out[1], errs[1] = strconv.ParseFloat(strings.TrimSpace(to), 64)
	if !ok || errors.Join(errs[0], errs[1]) != nil || !(out[0] >= 0 && out[0] < out[1] && out[1] <= 1) {
		return out, fault.Inputf("--cfg-interval %s: want two shares of the steps, from 0 to 1, as 0.2,0.8", text)
	}
	return out, nil
}

// texts puts the prompts into a request.
func (f *drawFlags) texts(cmd *cobra.Command, m *ldm.Model, r *ldm.Request) {
	r.Condition = ldm.Prompt(plain(f.prompt))
	r.ClipSkip = f.clipSkip
	if f.skipIsTheirs && f.clipSkip > 0 && m.Network().CLIP == nil {
		f.remarkOnce(fmt.Sprintf("%s: clip skip %d is left out: the model's text encoder is not CLIP", f.from, f.clipSkip))
		r.ClipSkip = 0
	}
	f.negativeText(cmd, m, r)
	f.remark(m, plain(f.prompt))
}

// negativeText puts the negative prompt into a request.
func (f *drawFlags) negativeText(cmd *cobra.Command, m *ldm.Model, r *ldm.Request) {
	if cmd.Flags().Changed("negative-prompt") {
		r.Negative = ldm.Prompt(f.negative)
		f.remark(m, f.negative)
	}
}

// remark says once what a text loses on its way into the model.
func (f *drawFlags) remark(m *ldm.Model, text string) {
	for _, line := range m.Remarks(text) {
		f.remarkOnce(line)
	}
}

func (f *drawFlags) remarkOnce(line string) {
	if f.told == nil {
		f.told = map[string]bool{}
	}
	if !f.told[line] {
		f.told[line] = true
		status(line)
	}
}
