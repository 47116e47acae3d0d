package sampler

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Method is a sampler by name, with what a caller should know of it. The zero
// value stands for DDIM; see Or.
type Method struct {
	Name      string   // as AUTOMATIC1111's program writes it
	Aliases   []string // other programs' names; see Parse for what need not be listed
	Doc       string   // one line
	Schedule  string   // name of the schedule that it takes where none is named
	Calls     float64  // of the denoiser a step, but for the last one; 0 where it chooses
	Eta       float64  // default of Options.Eta
	UsesEta   bool     // Options.Eta has an effect
	UsesChurn bool     // Options.Churn has
	Random    bool     // Options.Noise is drawn from with the default options
	Couples   bool     // the steps follow from all pictures of a batch together
	Run       Func

	order     bool     // Options.Order has an effect
	midpoint  bool     // Options.Midpoint has
	adaptive  bool     // Options.Adaptive has
	only      []string // schedules that alone go with it; none means all
	brownian  bool     // its noise is that of a stochastic equation; see Noise
	penultima bool     // A1111 and ComfyUI leave its last noise level above 0 out
}

// Or is the method, or DDIM for the zero value.
func (m Method) Or() Method {
	if m.Run == nil {
		return methods[0]
	}
	return m
}

// Sample runs the method. An option that would have no effect on one of this
// package's is an error.
func (m Method) Sample(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	m = m.Or()
	if err := m.check(o); err != nil {
		return func(yield func(State, error) bool) { yield(State{}, err) }
	}
	return m.Run(ctx, d, x, p, o)
}

// check refuses options that the method does not read.
func (m Method) check(o Options) error {
	if _, known := method(plain(m.Name)); !known {
		return nil // one of the caller's own
	}
	adds := m.Random || o.Eta > 0 || o.Churn.Amount > 0
	for _, c := range []struct {
		set, read bool
		name      string
		value     any
	}{
		{o.Eta != 0, m.UsesEta, "eta", o.Eta},
		{o.Churn != Churn{}, m.UsesChurn, "churn", o.Churn.Amount},
		{o.NoiseScale != 0 && o.NoiseScale != 1, adds, "scale of fresh noise", o.NoiseScale},
		{o.Order != 0, m.order, "order", o.Order},
		{o.Midpoint != 0, m.midpoint, "midpoint", o.Midpoint},
		{o.Adaptive != Adaptive{}, m.adaptive, "adaptive steps", o.Adaptive},
		{o.Rounds != 0, false, "rounds", o.Rounds},
	} {
		if c.set && !c.read {
			return fault.Inputf("%s %v: sampler %s has none", c.name, c.value, m.Name)
		}
	}
	if !(o.Eta >= 0) || !(o.NoiseScale >= 0) || !(o.Churn.Amount >= 0) {
		return fault.Inputf("eta %g, scale of fresh noise %g and churn %g: want 0 or more", o.Eta, o.NoiseScale, o.Churn.Amount)
	}
	return nil
}

// Path is the method's path of so many steps by a schedule, whose zero value means
// the method's own, over a model's noise levels. A schedule that does not go with
// the method is an error.
func (m Method) Path(c Schedule, s *diffusion.Schedule, steps int) (Path, error) {
	m = m.Or()
	if c.Levels == nil {
		name := m.Schedule
		if s.ZeroSNR && (name == "Even" || name == "Leading") {
			name = "Trailing" // such models must begin at the last timestep (arXiv 2305.08891, section 3.3)
		}
		var err error
		if c, err = ParseSchedule(name); err != nil {
			return Path{}, err
		}
	} else if len(m.only) > 0 && !slices.Contains(m.only, c.Name) {
		return Path{}, fault.Inputf("sampler %s does not go with schedule %s: it goes with %s", m.Name, c.Name, strings.Join(m.only, ", "))
	}
	if !m.penultima {
		return c.Path(s, steps)
	}
	p, err := c.Path(s, steps+1)
	if err != nil {
		return p, err
	}
	if last := len(p.Sigmas) - 1; last > 1 && p.Sigmas[last] == 0 {
		p.Sigmas = slices.Delete(p.Sigmas, last-1, last)
		return p, nil
	}
	return c.Path(s, steps)
}

// Methods lists the samplers, the default first.
func Methods() []Method { return slices.Clone(methods) }

// own is the schedule that most samplers of σ take.
const own = "Normal"

var methods = []Method{
	{Name: "DDIM", Schedule: "Even", Calls: 1, UsesEta: true, Run: DDIM,
		Aliases: []string{"ddimscheduler"}, Doc: "deterministic and simple; with eta 1 as random as DDPM"},
	{Name: "DDPM", Schedule: "Leading", Calls: 1, Random: true, Run: DDPM,
		Aliases: []string{"ancestral", "ddpmscheduler"}, Doc: "ancestral sampling as in training; wants many steps"},
	{Name: "PLMS", Schedule: "Even", Calls: 1, Run: PLMS, only: []string{"Even", "CompVis", "Leading", "Trailing", "Normal", "SGM Uniform", "DDIM"},
		Aliases: []string{"pndm", "pndmscheduler"}, Doc: "the latent diffusion scripts' fast sampler: four noises in one step of DDIM"},
	{Name: "Euler", Schedule: own, Calls: 1, UsesChurn: true, Run: Euler,
		Aliases: []string{"eulerdiscretescheduler"}, Doc: "the simplest; deterministic"},
	{Name: "Euler a", Schedule: own, Calls: 1, Eta: 1, UsesEta: true, Random: true, Run: EulerAncestral,
		Aliases: []string{"eulerancestraldiscretescheduler"}, Doc: "Euler with fresh noise in every step: varied pictures that never settle"},
	{Name: "Heun", Schedule: own, Calls: 2, UsesChurn: true, Run: Heun,
		Aliases: []string{"heundiscretescheduler"}, Doc: "Euler with a second look at the end of the step: twice the work, more exact"},
	{Name: "Heun++ 2", Schedule: own, Calls: 3, Run: HeunPP2,
		Doc: "Heun with three slopes weighed by their noise"},
	{Name: "DPM2", Schedule: "Karras", Calls: 2, UsesChurn: true, Run: DPM2, penultima: true,
		Aliases: []string{"kdpm2discretescheduler"}, Doc: "the slope in the middle of the step: twice the work, more exact"},
	{Name: "DPM2 a", Schedule: "Karras", Calls: 2, Eta: 1, UsesEta: true, Random: true, Run: DPM2Ancestral, penultima: true,
		Aliases: []string{"kdpm2ancestraldiscretescheduler"}, Doc: "DPM2 with fresh noise in every step"},
	{Name: "LMS", Schedule: own, Calls: 1, order: true, Run: LMS,
		Aliases: []string{"lmsdiscretescheduler"}, Doc: "the last four slopes in one step"},
	{Name: "DPM++ 2S a", Schedule: "Karras", Calls: 2, Eta: 1, UsesEta: true, Random: true, Run: DPMPP2SAncestral,
		Aliases: []string{"dpmpp2s"}, Doc: "DPM-Solver++ with two predictions a step, and fresh noise"},
	{Name: "DPM++ 2M", Schedule: "Karras", Calls: 1, Run: DPMPP2M,
		Aliases: []string{"dpmsolvermultistep", "dpmsolvermultistepscheduler", "dpmpp2mv1"}, Doc: "fast and exact: good pictures in 20 steps"},
	{Name: "DPM++ SDE", Schedule: "Karras", Calls: 2, Eta: 1, UsesEta: true, Random: true, brownian: true, midpoint: true, Run: DPMPPSDE,
		Aliases: []string{"dpmsolversdescheduler"}, Doc: "DPM-Solver++ with noise, two predictions a step: good pictures in few steps"},
	{Name: "DPM++ 2M SDE", Schedule: "Exponential", Calls: 1, Eta: 1, UsesEta: true, Random: true, brownian: true, Run: DPMPP2MSDE,
		Aliases: []string{"dpmpp2msdemidpoint"}, Doc: "DPM++ 2M with noise: detailed pictures in 20 to 30 steps"},
	{Name: "DPM++ 2M SDE Heun", Schedule: "Exponential", Calls: 1, Eta: 1, UsesEta: true, Random: true, brownian: true, Run: DPMPP2MSDEHeun,
		Doc: "DPM++ 2M SDE in Heun's form"},
	{Name: "DPM++ 3M SDE", Schedule: "Exponential", Calls: 1, Eta: 1, UsesEta: true, Random: true, brownian: true, Run: DPMPP3MSDE,
		Doc: "three predictions in a step, with noise; wants 30 steps or more"},
	{Name: "DPM fast", Schedule: own, Calls: 1, UsesEta: true, Run: DPMFast, only: []string{own},
		Doc: "DPM-Solver with as many predictions as steps; of a schedule it takes the ends alone"},
	{Name: "DPM adaptive", Schedule: own, UsesEta: true, Couples: true, order: true, adaptive: true, Run: DPMAdaptive, only: []string{own},
		Aliases: []string{"dpmad"}, Doc: "DPM-Solver that chooses its steps by their error, whatever number is asked for"},
	{Name: "UniPC", Schedule: own, Calls: 1, order: true, Run: UniPC,
		Aliases: []string{"unipcbh2", "unipcmultistepscheduler"}, Doc: "predictor and corrector of the third order: good pictures in 10 steps"},
	{Name: "UniPC BH1", Schedule: own, Calls: 1, order: true, Run: UniPCBH1,
		Doc: "UniPC for very few steps"},
	{Name: "DEIS", Schedule: own, Calls: 1, Run: DEIS,
		Aliases: []string{"deismultistepscheduler"}, Doc: "the last three slopes, in a variance preserving process's time"},
	{Name: "IPNDM", Schedule: own, Calls: 1, Run: IPNDM,
		Aliases: []string{"ipndmscheduler"}, Doc: "the last four slopes, weighed as in even steps"},
	{Name: "IPNDM_V", Schedule: own, Calls: 1, Run: IPNDMV,
		Doc: "the last four slopes, weighed by the steps' lengths"},
	{Name: "Restart", Schedule: "Karras", Calls: 2, Random: true, Run: Restart, only: []string{"Karras"},
		Doc: "Heun, and from 20 steps on back up once or twice to try again"},
	{Name: "LCM", Schedule: "LCM", Calls: 1, Random: true, Run: consistent(LCM),
		Aliases: []string{"lcmscheduler"}, Doc: "for latent consistency models: 2 to 8 steps"},
	{Name: "TCD", Schedule: "LCM", Calls: 1, Eta: .3, UsesEta: true, Random: true, Run: TCD,
		Aliases: []string{"tcdscheduler"}, Doc: "for trajectory consistency models: 2 to 8 steps, and more without loss"},
}

// Consistency is the sampler of consistency models, LCM.
func Consistency() Method {
	m, _ := method("lcm")
	return m
}

// consistent is a sampler for consistency models.
func consistent(f Func) Func {
	return func(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
		return f(ctx, Consistent(d), x, p, o)
	}
}

// Parse finds a sampler and, where the name ends in one, a schedule, by names as
// people write them: "DPM++ 2M Karras", "dpmpp_2m", "k_euler_a", "sample_heun",
// "DPM++ 2M SDE Heun Exponential". Case, spaces and punctuation do not count. An
// unknown name is an error that lists the known ones.
func Parse(name string) (Method, Schedule, error) {
	for _, text := range variants(name) {
		if m, ok := method(text); ok {
			return m, Schedule{}, nil
		}
	}
	for _, text := range variants(name) {
		if rest, ok := strings.CutSuffix(text, "automatic"); ok && rest != "" {
			if m, found := method(rest); found {
				return m, Schedule{}, nil
			}
		}
		for _, c := range schedules {
			for _, alias := range append([]string{c.Name}, c.Aliases...) {
				rest, ok := strings.CutSuffix(text, plain(alias))
				if m, found := method(rest); ok && found {
					return m, c, nil
				}
			}
		}
	}
	return Method{}, Schedule{}, fault.Inputf("sampler %.60q: want %s, with or without a schedule after it: %s",
		name, names(methods, func(m Method) string { return m.Name }), names(schedules, func(c Schedule) string { return c.Name }))
}

// ParseSchedule finds a schedule by its name, as Parse does. "" and "automatic"
// give the zero value, the sampler's own.
func ParseSchedule(name string) (Schedule, error) {
	text := plain(name)
	if text == "" || text == "automatic" || text == "auto" {
		return Schedule{}, nil
	}
	for _, c := range schedules {
		for _, alias := range append([]string{c.Name}, c.Aliases...) {
			if plain(alias) == text {
				return c, nil
			}
		}
	}
	return Schedule{}, fault.Inputf("schedule %.60q: want automatic, %s", name, names(schedules, func(c Schedule) string { return c.Name }))
}

func method(text string) (Method, bool) {
	for _, m := range methods {
		for _, alias := range append([]string{m.Name}, m.Aliases...) {
			if plain(alias) == text {
				return m, true
			}
		}
	}
	return Method{}, false
}

// variants are a name's plain forms, with and without what programs put around.
func variants(name string) []string {
	text := plain(name)
	out := []string{text}
	for _, prefix := range []string{"sample", "k"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			out = append(out, rest)
		}
	}
	for _, text := range out {
		if strings.Contains(text, "gpu") {
			out = append(out, strings.ReplaceAll(text, "gpu", ""))
		}
	}
	return out
}

// plain is a name in small letters and digits alone, ++ as pp.
func plain(name string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "++", "pp")
	name = strings.ReplaceAll(name, "ancestral", "a")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
}

func names[T any](list []T, name func(T) string) string {
	var out []string
	for _, v := range list {
		out = append(out, name(v))
	}
	return strings.Join(out, ", ")
}
