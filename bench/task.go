package bench

import (
	"context"
	"embed"
	"fmt"
	"image"
	"image/color"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tiles"
)

// started is about when the process began.
var started = time.Now()

//go:embed models
var models embed.FS

// Task is a whole task to time: from a model's file to pictures.
type Task struct {
	Name, What string
	Shape      Shape    // unless asked otherwise
	model      string   // its structure, a file of models
	overrides  []string // of it
	condition  func(side int) ldm.Condition
	guided     bool
	sampler    string
}

// TaskSteps is how many steps a task's sampler takes unless asked otherwise.
const TaskSteps = 20

// Tasks lists all whole tasks.
func Tasks() []Task {
	return []Task{
		{"txt2img", "a text to a picture of 512x512 with Stable Diffusion v1: 20 steps of DPM++ 2M, guidance, decoding", Shape{512, 1},
			"text", nil, text, true, "DPM++ 2M"},
		{"upscale", "a picture of 128x128 to one of 512x512 with the paper's model of super-resolution: 20 steps of DDIM, decoding", Shape{512, 1},
			"larger", nil, icon, false, "DDIM"},
		{"inpaint", "half of a picture of 512x512 anew with Stable Diffusion v1's inpainting model: encoding, 20 steps of DPM++ 2M, guidance, decoding", Shape{512, 1},
			"text", []string{"model.params.conditioning_key=hybrid", "model.params.unet_config.params.in_channels=9",
				"model.target=ldm.models.diffusion.ddpm.LatentInpaintDiffusion"}, masked, true, "DPM++ 2M"},
		{"decode", "a latent of 256x256 to a picture of 2048x2048 with Stable Diffusion's decoder, by exact tiles where --max-memory is too little", Shape{2048, 1},
			"text", nil, nil, false, ""},
	}
}

// FindTask returns the task of that name, if there is one.
func FindTask(name string) (Task, bool) {
	for _, t := range Tasks() {
		if t.Name == name {
			return t, true
		}
	}
	return Task{}, false
}

const prompt = "a photograph of an astronaut riding a horse"

func text(int) ldm.Condition { return ldm.Prompt(prompt) }

func icon(side int) ldm.Condition { return ldm.Picture{Image: gradient(side / 4)} }

// masked is a picture whose right half is to be made anew.
func masked(side int) ldm.Condition {
	mask := image.NewGray(image.Rect(0, 0, side, side))
	for i := range mask.Pix {
		if i%side >= side/2 {
			mask.Pix[i] = 255
		}
	}
	return ldm.Masked{Image: gradient(side), Mask: mask, Prompt: prompt}
}

func gradient(side int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.SetRGBA(x, y, color.RGBA{uint8(255 * x / side), uint8(255 * y / side), uint8(x ^ y), 255})
		}
	}
	return img
}

// WriteModel draws the weights of the task's model and writes them to a file of 16-bit
// numbers, as published ones mostly are.
func (t Task) WriteModel(ctx context.Context, path string) error {
	raw, err := models.ReadFile("models/" + t.model + ".yaml")
	if err != nil {
		return err
	}
	var file struct {
		Model config.Target `yaml:"model"`
	}
	if err := config.Parse(&file, t.model, raw, t.overrides); err != nil {
		return err
	}
	net, err := model.New(file.Model)
	if err != nil {
		return err
	}
	specs, err := net.AllParams()
	if err != nil {
		return err
	}
	vars := (&Built{Graph: graph.New(), Weights: specs}).vars(tensor.F16)
	return modelfile.Save(ctx, path, net, file.Model, nil, nil, vars, checkpoint.F16)
}

// TaskOptions of a measurement of a whole task.
type TaskOptions struct {
	Options
	Model    string // its file
	Steps    int    // 0: TaskSteps
	Memory   machine.MaxMemory
	Progress func(share float64) // of large pictures' decoding; may be nil
	Interval [2]float64
	Savings  ldm.Savings
}

// Measure opens the model and makes pictures: First is the time from the beginning of the
// process to the first of them, and Median that of the ones after it. Nothing else may have
// been done in the process.
func (t Task) Measure(ctx context.Context, opt TaskOptions) (Result, error) {
	clock := &clock{Engine: opt.Engine}
	if clock.Engine == nil {
		clock.Engine = cpu.New(cpu.Options{Threads: opt.Threads})
	}
	options := ldm.Options{Engine: clock, Precision: opt.Precision, Hold: opt.Hold, MaxMemory: opt.Memory}
	out := Result{Work: t.Name, Mode: opt.Precision.String(), Threads: opt.threads()}
	if t.condition == nil {
		return t.decode(ctx, options, opt, out)
	}
	m, err := ldm.Open(opt.Model, options)
	if err != nil {
		return Result{}, err
	}
	defer m.Close()
	out.Parameters = parameters(m.Network().AllParams())
	r, err := t.request(m, opt)
	if err != nil {
		return Result{}, err
	}
	var outside, sampling time.Duration
	r.OnStep = clock.outside(&outside, &sampling)
	make := func() error {
		_, err := m.Generate(ctx, r)
		return err
	}
	if err := make(); err != nil {
		return Result{}, err
	}
	out.First = time.Since(started)
	outside, sampling = 0, 0
	debug.FreeOSMemory()
	if err := out.times(ctx, make, opt.Options); err != nil {
		return Result{}, err
	}
	out.Peak = PeakResident()
	out.Outside = outside.Seconds() / max(sampling.Seconds(), 1e-9)
	return out, nil
}

// decode times the first stage's decoder, with no run to warm up.
func (t Task) decode(ctx context.Context, options ldm.Options, opt TaskOptions, out Result) (Result, error) {
	stage, err := ldm.OpenFirstStage(opt.Model, options)
	if err != nil {
		return Result{}, err
	}
	defer stage.Close()
	out.Parameters = parameters(model.StageParams(stage.Config, ""))
	f, shape := stage.Factor(), opt.Shape.or(t.Shape)
	if shape.Pixels < f || shape.Pixels%f != 0 || shape.Batch < 1 {
		return out, fmt.Errorf("%s: %d pictures of %d pixels: want at least one of a multiple of %d", t.Name, shape.Batch, shape.Pixels, f)
	}
	z := tensor.New(shape.Batch, shape.Pixels/f, shape.Pixels/f, stage.Config.LatentChannels())
	tensor.NewStream(seed).Normal(z.F32)
	if opt.Progress != nil {
		ctx = tiles.WithProgress(ctx, opt.Progress)
	}
	err = out.times(ctx, func() error {
		y, err := stage.Decode(ctx, z)
		if err != nil {
			return err
		}
		if out.First == 0 {
			out.First = time.Since(started)
		}
		return finite(t.Name, y)
	}, opt.Options)
	out.Peak = PeakResident()
	return out, err
}

// request is what is asked of the model.
func (t Task) request(m *ldm.Model, opt TaskOptions) (r ldm.Request, err error) {
	shape := opt.Shape.or(t.Shape)
	r = ldm.Request{Condition: t.condition(shape.Pixels), Seeds: ldm.Seeds(1, shape.Batch), Width: shape.Pixels, Height: shape.Pixels,
		Steps: opt.Steps, Guidance: 1, Savings: opt.Savings, Interval: opt.Interval}
	if r.Steps == 0 {
		r.Steps = TaskSteps
	}
	if r.Steps < 2 || shape.Batch < 1 || shape.Pixels < 64 {
		return r, fmt.Errorf("%s: %d pictures of %d pixels in %d steps: want at least one of 64 or more in 2", t.Name, shape.Batch, shape.Pixels, r.Steps)
	}
	if t.guided {
		r.Guidance = 7.5
	}
	r.Sampler, r.Schedule, err = sampler.Parse(t.sampler)
	return r, err
}

// parameters counts the numbers of weights.
func parameters(specs []nn.ParamSpec, _ error) (n int) {
	for _, p := range specs {
		n += p.Shape.Size()
	}
	return n
}

// clock is an engine that sums up how long its programs run.
type clock struct {
	engine.Engine
	total atomic.Int64
}

func (c *clock) busy() time.Duration { return time.Duration(c.total.Load()) }

// outside adds up how long sampling takes, and how much of that no program runs; the first
// step, which has compiling in it, is left out.
func (c *clock) outside(outside, sampling *time.Duration) func(ldm.Step) {
	var from time.Time
	var busy time.Duration
	return func(s ldm.Step) {
		switch s.Done {
		case 1:
			from, busy = time.Now(), c.busy()
		case s.Total:
			took := time.Since(from)
			*sampling += took
			*outside += took - (c.busy() - busy)
		}
	}
}

func (c *clock) Compile(g *graph.Graph, outputs []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	p, err := c.Engine.Compile(g, outputs, w, opt)
	if err != nil {
		return nil, err
	}
	return timed{p, c}, nil
}

type timed struct {
	engine.Program
	clock *clock
}

func (p timed) Run(ctx context.Context) error {
	start := time.Now()
	err := p.Program.Run(ctx)
	p.clock.total.Add(int64(time.Since(start)))
	return err
}
