package cpu

import "time"

// clock is the time, if it is wanted.
func (p *Program) clock() (t time.Time) {
	if p.profile != nil {
		t = time.Now()
	}
	return t
}

// StepCost is the time of one step since profiling began.
type StepCost struct {
	Name, Op, Algorithm string
	Time                time.Duration
	Flops               int64 // of one run
}

// StartProfile begins to measure the time of every step.
func (p *Program) StartProfile() { p.profile = make([]time.Duration, len(p.steps)) }

// Profile lists the steps with their times, zero before StartProfile.
func (p *Program) Profile() []StepCost {
	var all []StepCost
	for i, s := range p.steps {
		cost := StepCost{Name: s.name, Op: s.op, Algorithm: s.algorithm, Flops: s.flops}
		if p.profile != nil {
			cost.Time = p.profile[i]
		}
		all = append(all, cost)
	}
	return all
}
