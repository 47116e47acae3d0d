package train

import (
	"context"
	"errors"
	"fmt"
	"image"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Codebook configures how the codes of a VQ first stage are kept in use.
type Codebook struct {
	Start        string `yaml:"start"`         // kmeans: the means of the first pictures' vectors; uniform: small random numbers
	RestartEvery int    `yaml:"restart_every"` // codes that no vector came to in so many steps become vectors of the last batch; 0: never
}

// How a codebook starts.
const (
	codebookKMeans  = "kmeans"
	codebookUniform = "uniform"
)

func (c Codebook) validate() error {
	switch {
	case c.Start != codebookKMeans && c.Start != codebookUniform:
		return fault.Inputf("codebook.start is %q: want %s or %s", c.Start, codebookKMeans, codebookUniform)
	case c.RestartEvery < 0:
		return fault.Inputf("codebook.restart_every is %d: want 0 (never) or more", c.RestartEvery)
	}
	return nil
}

// codebookName is the codebook's parameter.
const codebookName = "quantize.embedding.weight"

// codes counts the use of the codes.
type codes struct {
	counts *tensor.Tensor     // since the last restart, one for each code
	z      []float32          // vectors of the last batch
	window []int              // indices since the last step
	remap  *autoencoder.Remap // of the codes that a smaller vocabulary has; nil without one
}

// readRemap reads the vocabulary of model.params.remap.
func (s *firstStage) readRemap() error {
	if s.model.Remap == "" {
		return nil
	}
	raw, err := os.ReadFile(s.model.Remap)
	if err != nil {
		return fault.Inputf("model.params.remap: %w", err)
	}
	r, err := autoencoder.ReadRemap(raw, s.model.NEmbed)
	if err != nil {
		return fmt.Errorf("model.params.remap: %s: %w", s.model.Remap, err)
	}
	s.codes.remap = &r
	return nil
}

// watchCodes keeps what a batch was quantised to.
func (s *firstStage) watchCodes(_ engine.Program, watched func(string) []float32) error {
	s.codes.z = append(s.codes.z[:0], watched("z")...)
	for _, i := range watched("indices") {
		s.codes.window = append(s.codes.window, int(i))
	}
	return nil
}

// shareCodes joins what the batches of all processes were quantised to, in their order; the
// last batch is the last process's.
func (s *firstStage) shareCodes(l *loop, n int) error {
	if l.group == nil || s.codes.counts == nil {
		return nil
	}
	own := make([]float32, len(s.codes.window)) // exact up to 2^24
	for i, code := range s.codes.window {
		own[i] = float32(code)
	}
	all, err := gathered(context.Background(), l.group, own)
	if err != nil {
		return err
	}
	s.codes.window = s.codes.window[:0]
	for _, code := range all {
		s.codes.window = append(s.codes.window, int(code))
	}
	if every := s.cfg.Codebook.RestartEvery; every == 0 || n%every != 0 {
		return nil
	}
	return l.group.Broadcast(context.Background(), l.group.World()-1, s.codes.z)
}

// state is the use of the codes so far, so that a resumed run restarts the same ones.
func (s *firstStage) state() map[string]*tensor.Tensor {
	if s.codes.counts == nil {
		return nil
	}
	return map[string]*tensor.Tensor{"codebook.uses": s.codes.counts}
}

// countCodes logs the use of the codes and restarts dead ones when it is time.
func (s *firstStage) countCodes(l *loop, n int) error {
	if s.codes.counts == nil || len(s.codes.window) == 0 {
		return nil
	}
	batch := map[int]int{}
	for _, i := range s.codes.window {
		s.codes.counts.F32[i]++
		batch[i]++
	}
	entropy, total := 0.0, float64(len(s.codes.window))
	if r := s.codes.remap; r != nil { // the share of vectors that the vocabulary has a word for
		codes := make([]int32, len(s.codes.window))
		for i, c := range s.codes.window {
			codes[i] = int32(c)
		}
		l.out.add("codes_known", 1-float64(r.Used(codes, func() int32 { return 0 }))/total)
	}
	for _, code := range slices.Sorted(maps.Keys(batch)) { // a sum has one order
		p := float64(batch[code]) / total
		entropy -= p * math.Log(p)
	}
	s.codes.window = s.codes.window[:0]
	l.out.add("perplexity", math.Exp(entropy))
	used := 0
	for _, k := range s.codes.counts.F32 {
		if k > 0 {
			used++
		}
	}
	l.out.add("codes_used", float64(used)/float64(s.model.NEmbed))
	if every := s.cfg.Codebook.RestartEvery; every == 0 || n%every != 0 || s.tune == tuneDecoder {
		return nil
	}
	return s.restartCodes(l, n)
}

// restartCodes puts vectors of the last batch in the place of codes that no
// vector came to, without the momentum that those had.
func (s *firstStage) restartCodes(l *loop, n int) error {
	d := s.model.EmbedDim
	draw := tensor.NewStream(s.loop.Seed, drawRestart, uint64(n))
	restarted := 0
	names := []string{codebookName, firstMoment + codebookName, secondMoment + codebookName, emaShadow + codebookName}
	changed, err := l.pull(names...)
	if err != nil {
		return err
	}
	for code, uses := range s.codes.counts.F32 {
		s.codes.counts.F32[code] = 0
		if uses > 0 {
			continue
		}
		from := s.codes.z[draw.IntN(len(s.codes.z)/d)*d:][:d]
		for name, t := range changed {
			row := t.F32[code*d:][:d]
			if name == codebookName || name == emaShadow+codebookName {
				copy(row, from)
			} else {
				clear(row)
			}
		}
		restarted++
	}
	if restarted == 0 {
		return nil
	}
	l.out.add("codes_restarted", float64(restarted))
	return l.weights.Push(changed)
}

// startCodebook replaces the codebook by the means of the first pictures'
// vectors, by the encoder as it was drawn or loaded.
func (s *firstStage) startCodebook(ctx context.Context, l *loop) error {
	const vectorsPerCode, mostVectors = 16, 1 << 17
	d, k := s.model.EmbedDim, s.model.NEmbed
	encoders := map[image.Point]engine.Program{}
	defer func() {
		for _, prog := range encoders {
			prog.Close()
		}
	}()
	want := min(max(vectorsPerCode*k, k), mostVectors) * d
	batches := (s.train.Set.Len() + s.n - 1) / s.n
	var vectors []float32
	for step := 0; step < batches && len(vectors) < want; step++ {
		shape := s.shapeOf(step)
		prog := encoders[shape]
		if prog == nil {
			var err error
			g := graph.New()
			z := s.model.Encode(nn.NewBuilder(g), g.Input("x", s.n, shape.Y, shape.X, 3))
			if prog, err = l.compileFor(g, z); err != nil {
				return err
			}
			encoders[shape] = prog
		}
		if err := s.train.images(prog.Input("x").F32, step); err != nil {
			return err
		}
		if err := prog.Run(ctx); err != nil {
			return err
		}
		vectors = append(vectors, prog.Output(0).F32...)
	}
	book, err := kMeans(ctx, vectors, d, k, tensor.NewStream(s.loop.Seed, drawCodebook))
	if err != nil {
		return err
	}
	l.out.write([]string{"the codebook starts with the means of the first pictures' vectors"})
	start := engine.Vars{codebookName: book}
	if l.cfg.EMA > 0 {
		start[emaShadow+codebookName] = book.Clone()
	}
	return l.weights.Push(start)
}

// before starts the codebook and the discriminator's activation norms.
func (s *firstStage) before(ctx context.Context, l *loop, n int) error {
	if n == 1 && s.model.Kind == autoencoder.VQ && s.cfg.Codebook.Start == codebookKMeans && s.cfg.Init == "" {
		if err := s.startCodebook(ctx, l); err != nil {
			return err
		}
	}
	if a := s.loss.Adversary; a.Weight > 0 && a.ActNorm && n == a.Start+1 {
		return s.startNorms(ctx, l, n)
	}
	return nil
}

// startNorms gives the discriminator's activation norms the values that
// normalise the pictures of the step that it begins with.
func (s *firstStage) startNorms(ctx context.Context, l *loop, n int) error {
	g, batch := graph.New(), s.loop.batch(n, 0, 0)-1
	shape := s.shapeOf(batch)
	values := s.loss.Adversary.network().Start(nn.NewBuilder(g).In(discriminator.Prefix), g.Input("x", s.n, shape.Y, shape.X, 3))
	var names []string
	var outputs []graph.Value
	for name, v := range values {
		names, outputs = append(names, name), append(outputs, v)
	}
	prog, err := l.compileFor(g, outputs...)
	if err != nil {
		return err
	}
	defer prog.Close()
	if err := s.train.images(prog.Input("x").F32, batch); err != nil {
		return err
	}
	if err := prog.Run(ctx); err != nil {
		return err
	}
	vars, err := l.pull(names...)
	for i, name := range names {
		copy(vars[name].F32, prog.Output(i).F32)
	}
	return errors.Join(err, l.weights.Push(vars))
}

// after logs what the step's codes say, and warns.
func (s *firstStage) after(l *loop, n int) error {
	if err := s.shareCodes(l, n); err != nil {
		return err
	}
	if err := s.countCodes(l, n); err != nil {
		return err
	}
	if n%s.loop.LogEvery == 0 {
		s.watch.firstStage(l.out, n)
	}
	return nil
}
