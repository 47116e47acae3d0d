package ldm

import (
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
)

// programs compiles one network for every shape it is asked for and keeps
// what it compiled.
type programs[S comparable] struct {
	engine  engine.Engine
	weights engine.Weights
	opt     engine.Options
	build   func(g *graph.Graph, shape S) []graph.Value
	made    map[S]engine.Program
}

func newPrograms[S comparable](eng engine.Engine, w engine.Weights, opt engine.Options, build func(*graph.Graph, S) []graph.Value) *programs[S] {
	return &programs[S]{eng, w, opt, build, map[S]engine.Program{}}
}

// get returns the program for a shape, compiled at its first use.
func (p *programs[S]) get(shape S) (engine.Program, error) {
	if prog, ok := p.made[shape]; ok {
		return prog, nil
	}
	g := graph.New()
	outputs := p.build(g, shape)
	if err := g.Err(); err != nil {
		return nil, err
	}
	prog, err := p.engine.Compile(g, outputs, p.weights, p.opt)
	if err != nil {
		return nil, err
	}
	p.made[shape] = prog
	return prog, nil
}

func (p *programs[S]) close() {
	for _, prog := range p.made {
		prog.Close()
	}
	clear(p.made)
}
