package model

import "github.com/ldm-go/ldm/sampler"

// DefaultSteps is the number of steps of sampling of most models where none is asked
// for.
const DefaultSteps = 50

// DefaultSteps is that of this model.
func (n *Network) DefaultSteps() int {
	if n.IsStudent() {
		return 4
	}
	return DefaultSteps
}

// DefaultSampler is the sampler where none is asked for.
func (n *Network) DefaultSampler() sampler.Method {
	if n.IsStudent() {
		return sampler.Consistency()
	}
	return sampler.Method{}.Or()
}

// DefaultGuidance is the scale of classifier-free guidance of the scripts that
// the models were published with.
func (n *Network) DefaultGuidance() float64 {
	switch {
	case n.ToldGuidance():
		return 8.5
	case n.TakesVectors():
		return 5
	case n.TextLength() == 0 || n.LayoutTokens() || n.Params.Consistency:
		return 1
	case n.CLIP != nil:
		return 7.5
	}
	return 5
}
