package train

import (
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// firstConvolution is the layer whose weight grows when a model is given more
// to see, as a text model that becomes one for inpainting.
const firstConvolution = model.PrefixUNet + ".input_blocks.0.0.weight"

// begin takes over the weights of a model that training begins with. A first
// convolution of more channels than the model's gets zeros for the new ones, so
// that it says at first what it said before; a conditioner of another structure,
// and the cross-attention to its contexts, are drawn anew.
func (s *secondStage) begin(f *modelfile.File, specs []nn.ParamSpec) error {
	net, err := f.Network()
	if err != nil {
		return err
	}
	there, err := f.Weights(net)
	if err != nil {
		return err
	}
	newConditioner := 0
	for _, p := range specs {
		if t := there[p.Name]; isUnder(p.Name, model.PrefixConditioner) && (t == nil || !t.Shape.Equal(p.Shape)) {
			newConditioner++
		}
	}
	drawn := 0
	for _, p := range specs {
		t := there[p.Name]
		switch {
		case newConditioner > 0 && isUnder(p.Name, model.PrefixConditioner):
			drawn++
		case t != nil && t.Shape.Equal(p.Shape):
			s.vars[p.Name] = t.Float32().Clone()
		case t != nil && p.Name == firstConvolution && t.Shape[1] < p.Shape[1] && t.Shape[0] == p.Shape[0]:
			s.vars[p.Name] = widened(t.Float32(), p.Shape)
			s.run.line("init: the first convolution grows from %d to %d channels; the new ones begin with zeros", t.Shape[1], p.Shape[1])
		case seesContext(p.Name):
			drawn++
		case t == nil:
			return fault.Inputf("the model has no %s of shape %v", p.Name, p.Shape)
		default:
			return fault.Inputf("%s is %v there, and %v here", p.Name, t.Shape, p.Shape)
		}
	}
	if err := s.beginLogvar(f); err != nil {
		return err
	}
	if drawn > 0 {
		s.run.line("init: %d parameters of the conditioner and of the attention to it are new", drawn)
	}
	return nil
}

// beginLogvar takes over the learned log-variances, where both models have some.
func (s *secondStage) beginLogvar(f *modelfile.File) error {
	info, there := f.Info(model.NameLogvar)
	if !there || !s.net.Params.LearnLogvar || !info.Shape.Equal(tensor.Shape{len(s.net.Schedule.Betas)}) {
		return nil
	}
	t, err := f.Read(model.NameLogvar)
	if err == nil {
		s.vars[model.NameLogvar] = t.Float32().Clone()
	}
	return err
}

// seesContext tells whether a parameter's shape follows from the context.
func seesContext(name string) bool {
	return strings.Contains(name, ".attn2.to_k.") || strings.Contains(name, ".attn2.to_v.")
}

// widened is a convolution's weight [O, C, K, K] with zeros for more channels.
func widened(t *tensor.Tensor, shape tensor.Shape) *tensor.Tensor {
	out := tensor.New(shape...)
	from, to := t.Shape.Size()/t.Shape[0], shape.Size()/shape[0]
	for o := range shape[0] {
		copy(out.F32[o*to:][:from], t.F32[o*from:][:from])
	}
	return out
}
