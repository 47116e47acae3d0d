package cpu

import (
	"math"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// FindNonFinite implements engine.Program.
func (p *Program) FindNonFinite() (where string, err error) {
	p.pool.locked(func() { where, err = p.findNonFinite() })
	return where, err
}

func (p *Program) findNonFinite() (string, error) {
	if err := p.pack(always); err != nil {
		return "", err
	}
	for name, t := range p.inputs {
		if !finite(t.F32) {
			return "input " + name, nil
		}
	}
	for _, s := range p.steps {
		if s.update {
			continue
		}
		for _, v := range s.inputs {
			if op, ok := v.Node.Op.(graph.Param); ok && !finiteTensor(p.params[op.Name].value.Load()) {
				return "parameter " + op.Name, nil
			}
		}
		p.pool.Run(s.phases)
		if err := p.failure(); err != nil {
			return "", err
		}
		for _, v := range s.outputs {
			ok := v.Type().DType != graph.Float32
			switch {
			case ok:
			case p.halves[v]:
				ok = finiteHalves(tensor.BF16, tensor.Halves(p.values(v))[:v.Shape().Size()])
			default:
				ok = finite(p.values(v))
			}
			if !ok {
				return s.name, nil
			}
		}
	}
	return "", nil
}

func finiteTensor(t *tensor.Tensor) bool {
	if t.Half != nil {
		return finiteHalves(t.Format, t.Half)
	}
	return finite(t.F32)
}

func finiteHalves(f tensor.Format, x []uint16) bool {
	exponent := uint16(0x7f80)
	if f == tensor.F16 {
		exponent = 0x7c00
	}
	for _, v := range x {
		if v&exponent == exponent {
			return false
		}
	}
	return true
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}
