package sampler_test

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// toward is a network for an example: it knows that all latents are 0.5, and says
// the noise in x.
func toward(s *diffusion.Schedule) sampler.Network {
	return func(_ context.Context, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error) {
		alpha, std := s.Coefficients(t)
		out := tensor.New(x.Shape...)
		for i, v := range x.F32 {
			out.F32[i] = (v - float32(alpha)*.5) / float32(std)
		}
		return []*tensor.Tensor{out}, nil
	}
}

// A sampler by name, with progress, previews and a stop in the caller's loop.
func Example() {
	schedule, err := diffusion.NewSchedule(diffusion.Default())
	if err != nil {
		panic(err)
	}
	method, levels, err := sampler.Parse("DPM++ 2M Karras")
	if err != nil {
		panic(err)
	}
	path, err := method.Path(levels, schedule, 10)
	if err != nil {
		panic(err)
	}
	x := tensor.New(1, 8, 8, 4)
	noise := method.Noise(sampler.OwnNoise, []uint64{42}, path)
	noise(x, 0, 0)
	denoise := sampler.Guided(toward(schedule), schedule, sampler.Guidance{Scale: 1})
	for state, err := range method.Sample(context.Background(), denoise, x, path, sampler.Options{Eta: method.Eta, Noise: noise}) {
		if err != nil {
			panic(err)
		}
		if state.Step%5 == 0 {
			fmt.Printf("step %d of %d: %.2f\n", state.Step, state.Total, state.X0.F32[0])
		}
	}
	fmt.Printf("%.2f\n", x.F32[0])
	// Output:
	// step 5 of 10: 0.50
	// step 10 of 10: 0.50
	// 0.50
}

// A sampler of one's own is a function: here the clean latent is blended in.
func ExampleFunc() {
	blend := func(ctx context.Context, d sampler.Denoiser, x *tensor.Tensor, p sampler.Path, _ sampler.Options) iter.Seq2[sampler.State, error] {
		return func(yield func(sampler.State, error) bool) {
			for i := range p.Steps() {
				prediction, err := d(ctx, x, p.Timestep(i))
				if err != nil {
					yield(sampler.State{}, err)
					return
				}
				next := p.Sigmas[i+1]
				alpha, std := diffusion.Coefficients(next)
				for j := range x.F32 {
					x.F32[j] = float32(alpha)*prediction.X0.F32[j] + float32(std)*prediction.Eps.F32[j]
				}
				if !yield(sampler.State{Step: i + 1, Total: p.Steps(), Sigma: next, X: x, X0: prediction.X0}, nil) {
					return
				}
			}
		}
	}
	schedule, err := diffusion.NewSchedule(diffusion.Default())
	if err != nil {
		panic(err)
	}
	method := sampler.Method{Name: "mine", Schedule: "Trailing", Calls: 1, Run: blend}
	path, err := method.Path(sampler.Schedule{}, schedule, 4)
	if err != nil {
		panic(err)
	}
	x := tensor.New(1, 1, 1, 1)
	sampler.Streams([]uint64{1})(x, 0, 0)
	denoise := sampler.Guided(toward(schedule), schedule, sampler.Guidance{Scale: 1})
	for state, err := range method.Sample(context.Background(), denoise, x, path, sampler.Options{}) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("t = %.0f: %.2f\n", math.Max(path.Timestep(state.Step), 0), state.X0.F32[0])
	}
	// Output:
	// t = 749: 0.50
	// t = 499: 0.50
	// t = 249: 0.50
	// t = 0: 0.50
}
