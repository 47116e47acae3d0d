package graph

import "fmt"

// AdamW writes param, m and v in place, by PyTorch's rule (Loshchilov and
// Hutter, arXiv 1711.05101); with Decay 0 it is Adam.
//
//	param, m, v, grad  of one shape; param, m and v are parameters
//	rate   scalar, the learning rate
//	step   scalar, the number of this update, from 1
//	norm2  scalar, the squared global norm of the gradients
//
// Gradients are scaled down to a global norm of Clip, if Clip > 0. Where norm2
// is not finite nothing is written. The output is norm2, passed through.
type AdamW struct {
	Beta1, Beta2, Eps, Decay, Clip float32
}

func (op AdamW) infer(in []Type) ([]Type, error) {
	if err := want(in, 7); err != nil {
		return nil, err
	}
	for i := 1; i < 4; i++ {
		if err := wantShape(in, i, "moment or gradient", in[0].Shape...); err != nil {
			return nil, err
		}
	}
	return []Type{float()}, scalars(in[4:])
}

// EMA writes shadow = decay·shadow + (1-decay)·param in place.
//
//	shadow, param  of one shape
//	decay   scalar
//	norm2   scalar; where it is not finite nothing is written
//
// The output is norm2, passed through.
type EMA struct{}

func (op EMA) infer(in []Type) ([]Type, error) {
	if err := want(in, 4); err != nil {
		return nil, err
	}
	if err := wantShape(in, 1, "param", in[0].Shape...); err != nil {
		return nil, err
	}
	return []Type{float()}, scalars(in[2:])
}

func scalars(in []Type) error {
	for _, t := range in {
		if len(t.Shape) != 0 {
			return fmt.Errorf("%v is not a scalar", t.Shape)
		}
	}
	return nil
}

// AdamW updates param, m and v in place. Reads of them added to the graph
// before see the old values, later ones the new.
func (g *Graph) AdamW(op AdamW, param, m, v, grad, rate, step, norm2 Value) Value {
	g.wantParams(param, m, v)
	return g.one(op, param, m, v, grad, rate, step, norm2)
}

// EMA moves shadow towards param in place.
func (g *Graph) EMA(shadow, param, decay, norm2 Value) Value {
	g.wantParams(shadow)
	return g.one(EMA{}, shadow, param, decay, norm2)
}

func (g *Graph) wantParams(vs ...Value) {
	for _, v := range vs {
		if v.Valid() {
			if _, ok := v.Node.Op.(Param); !ok {
				g.Fail("only parameters can be updated, not %s", v.Node.Name())
			}
		}
	}
}
