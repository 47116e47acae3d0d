package model

// DefaultSteps is the number of steps of sampling where none is asked for.
const DefaultSteps = 50

// DefaultGuidance is the scale of classifier-free guidance of the scripts that
// the models were published with.
func (n *Network) DefaultGuidance() float64 {
	switch {
	case n.TextLength() == 0 || n.LayoutTokens():
		return 1
	case n.CLIP != nil:
		return 7.5
	}
	return 5
}
