package cpu

import (
	"math"
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
)

// isFinite tells whether an update may be carried out.
func isFinite(norm2 float32) bool { return math.Float32bits(norm2)&0x7f800000 != 0x7f800000 }

func lowerAdamW(op graph.AdamW) lowered {
	return lowered{update: true, bind: func(b *binding) []par.Phase {
		p, m, v, g := b.in[0], b.in[1], b.in[2], b.in[3]
		rate, step, norm2 := b.in[4], b.in[5], b.in[6]
		steps := make([]vec.AdamWStep, (len(p)+blockSize-1)/blockSize) // one for each task
		return blocks("adamw", len(p), func(i, j int) {
			if !isFinite(norm2[0]) {
				return
			}
			scale := 1.0
			if norm := math.Sqrt(float64(norm2[0])); op.Clip > 0 && norm > float64(op.Clip) {
				scale = float64(op.Clip) / norm
			}
			s := &steps[i/blockSize]
			k := vec.AdamW{Rate: float64(rate[0]), Beta1: float64(op.Beta1), Beta2: float64(op.Beta2), Eps: float64(op.Eps), Decay: float64(op.Decay)}
			*s = k.Step(float64(step[0]), scale)
			s.Apply(p[i:j], m[i:j], v[i:j], g[i:j])
		})
	}}
}

func lowerEMA() lowered {
	return lowered{update: true, bind: func(b *binding) []par.Phase {
		shadow, p, decay, norm2 := b.in[0], b.in[1], b.in[2], b.in[3]
		return blocks("ema", len(p), func(i, j int) {
			if !isFinite(norm2[0]) {
				return
			}
			vec.ScaledSum(shadow[i:j], shadow[i:j], p[i:j], decay[0], 1-decay[0])
		})
	}}
}

// mergeUpdates makes one phase of each run of updates with the moving averages behind
// them, so that small parameters do not cost a phase each. They are independent of each
// other, but for an average: of every block of a parameter it comes right behind the
// update, which leaves it in the cache.
func (p *Program) mergeUpdates(steps []*step) []*step {
	var out []*step
	for i := 0; i < len(steps); {
		j := i + 1
		for j < len(steps) && steps[i].update && steps[j].update && (steps[j].averages() || !steps[j-1].averages()) {
			j++
		}
		if j > i+1 {
			steps[i].phases = []par.Phase{p.together(steps[i:j])}
		}
		out = append(out, steps[i])
		i = j
	}
	return out
}

func (s *step) averages() bool {
	_, ok := s.node.Op.(graph.EMA)
	return ok
}

// together is one phase of the tasks of several updates: a task of a parameter's update
// and that of its average are of the same block.
func (p *Program) together(steps []*step) par.Phase {
	type block struct {
		param *float32
		n     int
	}
	var all [][]func(task, worker int)
	var number []int
	at := map[block]int{}
	for _, s := range steps {
		param := s.inputs[0]
		if s.averages() {
			param = s.inputs[1]
		}
		for n := range s.phases[0].Tasks {
			k := block{unsafe.SliceData(p.values(param)), n}
			if _, ok := at[k]; !ok {
				at[k] = len(all)
				all, number = append(all, nil), append(number, n)
			}
			all[at[k]] = append(all[at[k]], s.phases[0].Run)
		}
	}
	return par.Phase{Name: "update", Tasks: len(all), Run: func(i, worker int) {
		for _, run := range all[i] {
			run(number[i], worker)
		}
	}}
}
