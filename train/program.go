package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// compile makes the programs of an objective, at its first step.
func (l *loop) compile(p *pass) error {
	if p.program != nil {
		return nil
	}
	if err := l.compileWithin(p); err != nil {
		return err
	}
	opt := engine.Options{Precision: l.cfg.Precision, Exact: l.exact}
	var err error
	if l.cfg.separate() {
		g, outputs := p.updateGraph(l.cfg)
		if err := g.Err(); err != nil {
			return err
		}
		p.update, err = l.Engine.Compile(g, outputs, l.weights, opt)
	}
	return err
}

// compileWithin compiles the program with the loss and its gradients, with as
// many segments of activations computed again as the bound on memory asks for.
func (l *loop) compileWithin(p *pass) error {
	opt := engine.Options{Precision: l.cfg.Precision, Exact: l.exact, MaxBytes: int64(l.cfg.MaxMemory)}
	var refused error
	for _, segments := range []int{1, 2, 4, 8, 16} {
		if segments > 1 { // gradients have been added to the graph
			fresh, err := newPass(p.Objective)
			if err != nil {
				return err
			}
			p.g, p.loss = fresh.g, fresh.loss
		}
		outputs := p.outputs(l.cfg, segments)
		if err := p.g.Err(); err != nil {
			return err
		}
		prog, err := l.Engine.Compile(p.g, outputs, l.weights, opt)
		switch {
		case err == nil:
			p.program = prog
			if segments > 1 {
				l.out.write([]string{fmt.Sprintf("%sactivations are computed again in %d segments, to keep within train.max_memory", p.Name, segments)})
			}
			return nil
		case l.cfg.MaxMemory == 0 || !errors.Is(err, fault.Memory):
			return err
		}
		refused = err
	}
	return fmt.Errorf("train.max_memory: %w, with activations computed again; a smaller train.batch_size takes less, and train.accumulate keeps the sum", refused)
}

// idleBytes bounds what the programs of objectives take that wait for their turn.
const idleBytes = 1 << 30

// makeRoom closes programs of objectives whose turn it is not, the first ones first,
// while they take too much memory.
func (l *loop) makeRoom(next *pass) {
	var sum int64
	for i := len(l.passes) - 1; i >= 0; i-- {
		p := l.passes[i]
		if p == next || p.Turn == nil || p.program == nil {
			continue
		}
		if sum += p.program.PeakBytes(); sum > idleBytes {
			p.close()
		}
	}
}

func (p *pass) close() {
	for _, prog := range []*engine.Program{&p.program, &p.update} {
		if *prog != nil {
			(*prog).Close()
			*prog = nil
		}
	}
}

// watched is a value of Loss.Watched after a run.
func (p *pass) watched(name string) []float32 {
	for i, t := range p.loss.Watched {
		if t.Name == name {
			out := p.program.Output(len(p.loss.Terms) + 1 + i)
			if out.I32 == nil {
				return out.F32
			}
			floats := make([]float32, len(out.I32))
			for k, v := range out.I32 {
				floats[k] = float32(v)
			}
			return floats
		}
	}
	return nil
}

// updated lists the parameters that Loss.Updates write.
func (p *pass) updated() []string {
	var names []string
	for _, u := range p.loss.Updates {
		if param, ok := u.Node.Inputs[0].Node.Op.(graph.Param); ok {
			names = append(names, param.Name)
		}
	}
	return names
}

// parameters lists what the passes read, each once.
func parameters(passes []*pass) []nn.ParamSpec {
	var all []nn.ParamSpec
	seen := map[string]bool{}
	for _, p := range passes {
		for _, s := range p.specs {
			if !seen[s.Name] {
				seen[s.Name] = true
				all = append(all, s)
			}
		}
	}
	return all
}

// addOptimizerVars adds zero moments, shadows that start as copies of the
// weights, and room for accumulated gradients.
func (l *loop) addOptimizerVars() {
	for _, p := range l.passes {
		for _, w := range p.weights {
			if l.vars[firstMoment+w.Name] == nil {
				l.vars[firstMoment+w.Name] = tensor.New(w.Shape...)
				l.vars[secondMoment+w.Name] = tensor.New(w.Shape...)
			}
			if l.cfg.EMA > 0 && p.Averaged && l.vars[emaShadow+w.Name] == nil {
				l.vars[emaShadow+w.Name] = l.vars[w.Name].Clone()
			}
			if l.cfg.separate() && l.vars[accumulated+w.Name] == nil {
				l.vars[accumulated+w.Name] = tensor.New(w.Shape...)
			}
		}
	}
}

// averaged are the weights with their moving averages in their place, where such
// are kept: for programs that validate and sample.
func averaged(w engine.Weights) (engine.Weights, error) {
	from := map[string]string{}
	for _, name := range w.Names() {
		if of, ok := strings.CutPrefix(name, emaShadow); ok {
			from[of] = name
		}
	}
	return w.Renamed(from)
}

// describe counts what is trained.
func (l *loop) describe() string {
	count := 0
	seen := map[string]bool{}
	for _, p := range l.passes {
		for _, w := range p.weights {
			if !seen[w.Name] {
				seen[w.Name] = true
				count += w.Shape.Size()
			}
		}
	}
	return fmt.Sprintf("%.1f M parameters to train in %s", float64(count)/1e6, l.Dir)
}

// pull copies parameters as they are now, those that there are.
func (l *loop) pull(names ...string) (engine.Vars, error) {
	have := l.weights.Names()
	var known []string
	for _, name := range names {
		if _, ok := slices.BinarySearch(have, name); ok {
			known = append(known, name)
		}
	}
	vars, err := l.weights.Pull(known...)
	for name, t := range vars {
		vars[name] = t.Clone()
	}
	return vars, err
}

// compileFor compiles a graph over the run's parameters.
func (l *loop) compileFor(g *graph.Graph, outputs ...graph.Value) (engine.Program, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	return l.Engine.Compile(g, outputs, l.weights, engine.Options{Precision: l.cfg.Precision})
}
