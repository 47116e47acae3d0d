package ldm

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/prompt"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// clip is the tokenizer of a model whose prompts are in the language of package
// prompt; the brackets of others are text.
func (m *Model) clip() (*token.BPE, bool) {
	tok, ok := m.tokenizer.(*token.BPE)
	return tok, ok && m.net.CLIP != nil && m.net.CLIP.MaxLen == prompt.Room+2
}

// encodeText is the context of a text. Of CLIP the outputs of as many chunks as the
// text needs follow each other, each token's weighed as its brackets say; skip is
// Request.ClipSkip.
func (m *Model) encodeText(ctx context.Context, text string, skip int) (*tensor.Tensor, error) {
	tok, ok := m.clip()
	if !ok {
		tokens := tensor.NewInt(1, m.net.TextLength())
		m.tokenizer.Encode(text, tokens.I32)
		y, err := m.encodeIDs(ctx, "tokens", tokens, skip)
		if err != nil {
			return nil, err
		}
		return y.Row(0), nil
	}
	chunks := prompt.Chunks(tok, text)
	var out *tensor.Tensor
	for i := range chunks {
		tokens := tensor.NewInt(1, len(chunks[i].Tokens))
		copy(tokens.I32, chunks[i].Tokens[:])
		y, err := m.encodeIDs(ctx, "tokens", tokens, skip)
		if err != nil {
			return nil, err
		}
		if !chunks[i].Plain() {
			weigh(y.Row(0), chunks[i].Weights[:])
		}
		if out == nil {
			out = tensor.New(len(chunks)*len(chunks[i].Tokens), y.Shape[2])
		}
		copy(out.F32[i*len(y.F32):], y.F32)
	}
	return out, nil
}

// weigh multiplies the rows of y [L, D], and then all so that their mean is what it
// was, as AUTOMATIC1111's program does.
func weigh(y *tensor.Tensor, weights []float32) {
	var before, after float64
	for i, w := range weights {
		row := y.Row(i).F32
		for k, v := range row {
			before += float64(v)
			row[k] = w * v
			after += float64(row[k])
		}
	}
	f := float32(before / after)
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return
	}
	for i := range y.F32 {
		y.F32[i] *= f
	}
}

// mixture is what a picture is told at one place: u + Σ weight·(c - u) of the outputs
// under its conditions, u being that under the negative one (Liu et al., arXiv
// 2206.01714, equation 11). Mostly it is one condition of weight 1.
type mixture []share

// share is a condition that may change from step to step.
type share struct {
	weight  float64
	courses []course
}

// course is the condition of the steps up to one, counted from 1.
type course struct {
	until int
	Encoding
}

// at is the condition at a step.
func (s share) at(step int) Encoding {
	for _, c := range s.courses {
		if step <= c.until {
			return c.Encoding
		}
	}
	return s.courses[len(s.courses)-1].Encoding
}

// total is the sum of the weights.
func (b mixture) total() float64 {
	sum := 0.0
	for _, s := range b {
		sum += s.weight
	}
	return sum
}

// whole tells a mixture that needs no output under the negative condition.
func (b mixture) whole() bool { return math.Abs(b.total()-1) < 1e-9 }

// tell is what picture i is told by a condition. A prompt's ANDs count where it says
// what to show.
func (p *part) tell(ctx context.Context, c Condition, i int, wanted bool) (mixture, error) {
	one := c
	if each, ok := c.(Each); ok {
		one = each[i]
	}
	if one == nil && p.tokenizer != nil {
		one = Prompt("")
	}
	text, rest, ok := p.promptOf(one)
	if _, clip := p.clip(); !ok || !clip {
		e, err := p.encode(ctx, c, i, wanted)
		return mixture{{1, []course{{0, e}}}}, err
	}
	var base Encoding
	if rest != nil {
		var err error
		if base, err = rest.Encode(ctx, p.Model, p.Width, p.Height); err != nil {
			return nil, err
		}
	}
	parts := []prompt.Part{{Text: text, Weight: 1}}
	if wanted {
		parts = prompt.Split(text)
	}
	var out mixture
	for _, part := range parts {
		s := share{weight: part.Weight}
		for _, step := range prompt.Schedule(part.Text, p.steps()) {
			context, err := p.textContext(ctx, step.Text)
			if err != nil {
				return nil, err
			}
			base.Context = context
			s.courses = append(s.courses, course{step.Until, base})
		}
		out = append(out, s)
	}
	return out, nil
}

// promptOf takes the prompt out of a condition; rest is what else it is.
func (g *generation) promptOf(c Condition) (text string, rest Condition, ok bool) {
	switch c := c.(type) {
	case Prompt:
		return string(c), nil, true
	case Picture:
		text, c.Prompt = c.Prompt, ""
		return text, c, g.net.Key == model.KeyHybrid
	case Masked:
		text, c.Prompt = c.Prompt, ""
		return text, c, g.net.Key == model.KeyHybrid
	}
	return "", nil, false
}

// textContext is the context of a text, which several pictures and steps may share.
func (g *generation) textContext(ctx context.Context, text string) (*tensor.Tensor, error) {
	if y, ok := g.contexts[text]; ok {
		return y, nil
	}
	y, err := g.encodeText(ctx, text, g.ClipSkip)
	if err == nil {
		g.contexts[text] = y
	}
	return y, err
}

// step is the number of the step, from 1, that timestep t is in.
func (p *part) step(t float64) int {
	way := p.path.Tail(p.steps())
	step := 1
	for i := 1; i < way.Steps() && way.Timestep(i) >= t-1e-6; i++ {
		step = i + 1
	}
	return step
}

// resolveClipSkip wants a layer that there is.
func (m *Model) resolveClipSkip(r *Request) error {
	switch {
	case r.ClipSkip == 0:
		return nil
	case m.net.CLIP == nil:
		return fault.Unsupportedf("clip skip %d: this model's conditions do not go through CLIP's text encoder", r.ClipSkip)
	case r.ClipSkip < 1 || r.ClipSkip > m.net.CLIP.Layers:
		return fault.Inputf("clip skip %d: want 1 to %d", r.ClipSkip, m.net.CLIP.Layers)
	}
	return nil
}

// Remarks says what a text loses on its way into the model, a line each: what is
// cut off because it is too long, and words that the model's vocabulary lacks.
func (m *Model) Remarks(text string) []string {
	tok, ok := m.tokenizer.(*token.WordPiece)
	if !ok {
		return nil // CLIP knows all letters, and its texts go on in further chunks
	}
	cut, unknown := tok.Lost(text, m.net.TextLength())
	var out []string
	if cut != "" {
		out = append(out, fmt.Sprintf("the text is too long for the model, which takes %d tokens: %q is cut off", m.net.TextLength(), cut))
	}
	if len(unknown) > 0 {
		out = append(out, fmt.Sprintf("the model's vocabulary has no %s", strings.Join(unknown, ", ")))
	}
	return out
}
