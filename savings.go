package ldm

import (
	"math"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// Savings buy speed for pictures that are not quite what they would be. The zero value
// saves nothing. What a picture becomes depends on no other with them either. Another way
// to save is Request.Interval.
type Savings struct {
	// MergeTokens is the share of tokens, up to 0.75, that self-attention at the U-Net's
	// finest level takes together with others which they are like (token merging: Bolya
	// and Hoffman, arXiv 2303.17604). It pays for large pictures.
	MergeTokens float64
	// DeepCache keeps what the U-Net's deep part says (DeepCache: Ma et al., arXiv
	// 2312.00858).
	DeepCache DeepCache
	// AdaptiveGuidance, above 0 and at most 1, ends the guidance of a picture once the clean
	// latents that the network sees under the condition and under the negative one have this
	// cosine similarity, as both lead to nearly the same from then on (Castillo et al.,
	// arXiv 2312.12487, section 5); 0: never. The paper compares the noise that both see,
	// which on these schedules is alike from the first step on, where there is little else.
	AdaptiveGuidance float64
}

// DeepCache says how often the deep part of the U-Net is computed: at every Interval-th of
// the network's evaluations, which is the paper's N; 0 or 1: at all. Branch is the number of
// input and of output blocks that are computed at the others, on the deep features that were
// kept; 0: 1, the fewest.
type DeepCache struct{ Interval, Branch int }

// resolveSavings refuses what cannot be saved, and what would have no effect.
func (m *Model) resolveSavings(r *Request) error {
	s, f := &r.Savings, m.stage.Factor()
	deep := &s.DeepCache
	switch most := m.net.UNet.Branches(); {
	case !(s.MergeTokens >= 0 && s.MergeTokens <= unet.MostMerged):
		return fault.Inputf("%g of the tokens merged: want a share from 0 to %g", s.MergeTokens, unet.MostMerged)
	case s.MergeTokens > 0 && !m.net.UNet.MergesTokens(r.Height/f, r.Width/f):
		return fault.Unsupportedf("tokens of pictures of %dx%d cannot be merged by cells of 2x2: their number is odd where the U-Net attends first", r.Width, r.Height)
	case deep.Interval < 0:
		return fault.Inputf("a cache of deep features over %d evaluations: want 2 or more; 1 is none", deep.Interval)
	case deep.Branch < 0 || deep.Branch > most:
		return fault.Inputf("branch %d of a cache of deep features: want 1 to %d", deep.Branch, most)
	case deep.Branch > 0 && deep.Interval < 2:
		return fault.Inputf("branch %d of a cache of deep features wants an interval of 2 or more", deep.Branch)
	case deep.Interval > 1 && most < 1:
		return fault.Unsupportedf("a cache of deep features: this U-Net is not deep enough")
	case !(s.AdaptiveGuidance >= 0 && s.AdaptiveGuidance <= 1):
		return fault.Inputf("adaptive guidance from a cosine similarity of %g on: want above 0, and at most 1", s.AdaptiveGuidance)
	case s.AdaptiveGuidance > 0 && (r.Guidance == 1 || m.net.ToldGuidance()):
		return fault.Inputf("adaptive guidance has no effect without guidance by a negative condition")
	case s.AdaptiveGuidance > 0 && m.net.Edits():
		return fault.Unsupportedf("adaptive guidance: this model edits pictures, and is guided by two conditions")
	}
	if deep.Interval > 1 {
		deep.Branch = max(deep.Branch, 1)
	}
	return nil
}

// variant is how the U-Net is built: with what share of tokens merged, and, with a branch
// of a cache of deep features, whole so that they can be kept, or the shallow part alone.
type variant struct {
	merge   float64
	branch  int
	shallow bool
}

// outputs of the U-Net.
func (v variant) outputs() int {
	if v.branch > 0 && !v.shallow {
		return 2
	}
	return 1
}

// build adds the network for a batch of so many rows; its second output are deep features
// to keep.
func (k kind) build(net *model.Network, b nn.Builder, rows int) []graph.Value {
	g, in := b.G, net.DenoiserInputs(b.G, rows, k.h, k.w, k.tokens)
	in.Merge = k.merge
	if k.controlled {
		in.Residuals = k.residuals(net, b.G, rows)
	}
	switch of := b.In(model.PrefixUNet); {
	case k.branch == 0:
		return []graph.Value{net.Denoise(b, in)}
	case k.shallow:
		features := g.Input("deep", append(graph.Shape{rows}, net.UNet.DeepShape(k.h, k.w, k.branch)...)...)
		return []graph.Value{net.UNet.BuildShallow(of, in, k.branch, features)}
	default:
		y, features := net.UNet.BuildDeep(of, in, k.branch)
		return []graph.Value{y, features}
	}
}

// residuals declares the inputs for what ControlNets add: of a shallow part to its own
// outputs alone.
func (k kind) residuals(net *model.Network, g *graph.Graph, rows int) (in []graph.Value) {
	shapes := net.UNet.Residuals(k.h, k.w)
	if k.shallow {
		shapes = shapes[:k.branch]
	}
	for i, s := range shapes {
		in = append(in, g.Input(residual(i), append(graph.Shape{rows}, s...)...))
	}
	return in
}

// saver is what is known of a part's pictures from one evaluation of the network to the
// next.
type saver struct {
	Savings
	evaluations int
	features    map[seat]*tensor.Tensor // deep ones, of every row
	ended       []bool                  // the guidance of pictures
}

// seat is a row's place among those of an evaluation: under which of the conditions of a
// picture. Those of outputs that complete a blend have place -1.
type seat struct{ place, picture, share int }

func newSaver(s Savings, pictures int) *saver {
	return &saver{Savings: s, features: map[seat]*tensor.Tensor{}, ended: make([]bool, pictures)}
}

// variant is the network that serves the pictures first.
func (s Savings) variant() variant { return variant{merge: s.MergeTokens, branch: s.DeepCache.Branch} }

// prepare says how each row is computed: on deep features where it has some, but for every
// Interval-th evaluation.
func (s *saver) prepare(rows []row, seats []seat) {
	for i := range rows {
		rows[i].variant = s.variant()
		if s.DeepCache.Branch == 0 || s.evaluations%s.DeepCache.Interval == 0 {
			continue
		}
		if f := s.features[seats[i]]; f != nil {
			rows[i].deep, rows[i].shallow = f, true
		}
	}
	s.evaluations++
}

// keep takes the deep features of the rows that were computed whole.
func (s *saver) keep(rows []row, seats []seat) {
	if s.DeepCache.Branch == 0 {
		return
	}
	for i, r := range rows {
		s.features[seats[i]] = r.deep
	}
}

// alone tells of each picture whether its output under the negative condition is, or counts
// as, that under its condition: both are the same, or its guidance has ended.
func (s *saver) alone(conditions [3][]mixture, want []int, step int) (alone []bool, any bool) {
	alone = make([]bool, len(conditions[1]))
	if len(want) != 2 || want[0] != 0 || want[1] != 1 {
		return alone, false
	}
	for i, c := range conditions[1] {
		u := conditions[0][i]
		switch {
		case !c.whole():
		case s.ended[i], len(c) == 1 && len(u) == 1 && alike(c[0].at(step), u[0].at(step)):
			alone[i], any = true, true
		}
	}
	return alone, any
}

// alike tells whether two conditions are one.
func alike(a, b Encoding) bool {
	if a.Guidance != b.Guidance {
		return false
	}
	for _, t := range [][2]*tensor.Tensor{{a.Context, b.Context}, {a.Joined, b.Joined}, {a.Label, b.Label}} {
		if t[0] != t[1] && !equal(t[0], t[1]) {
			return false
		}
	}
	return true
}

func equal(a, b *tensor.Tensor) bool {
	if a == nil || b == nil || !a.Shape.Equal(b.Shape) || len(a.F32) != len(b.F32) || len(a.I32) != len(b.I32) {
		return false
	}
	for i, v := range a.F32 {
		if math.Float32bits(v) != math.Float32bits(b.F32[i]) {
			return false
		}
	}
	for i, v := range a.I32 {
		if v != b.I32[i] {
			return false
		}
	}
	return true
}

// watch ends the guidance of pictures whose outputs y under the negative condition and
// their own agree in the clean latent that they see.
func (p *part) watch(s *saver, x *tensor.Tensor, t float64, y []*tensor.Tensor, want []int) {
	if s.AdaptiveGuidance == 0 || len(want) != 2 || want[0] != 0 || want[1] != 1 {
		return
	}
	n := len(x.Row(0).F32)
	eps, u, c := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range s.ended {
		p.net.Schedule.Split(u, eps, y[0].Row(i).F32, x.Row(i).F32, t)
		p.net.Schedule.Split(c, eps, y[1].Row(i).F32, x.Row(i).F32, t)
		s.ended[i] = s.ended[i] || cosine(u, c) >= s.AdaptiveGuidance
	}
}

// cosine is the similarity of two directions.
func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, v := range a {
		w := float64(b[i])
		ab, aa, bb = ab+float64(v)*w, aa+float64(v)*float64(v), bb+w*w
	}
	return ab / math.Sqrt(aa*bb)
}
