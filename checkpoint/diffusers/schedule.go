package diffusers

import (
	"fmt"
	"strings"
)

// scheduleFile is what the scheduler's JSON file says.
type scheduleFile struct {
	params  map[string]any // of LatentDiffusion
	assumed []string
}

const scheduleName = "scheduler/scheduler_config.json"

// schedules are the reference's names: what it calls linear is linear in √β.
var schedules = map[string]string{"scaled_linear": "linear", "linear": "sqrt_linear", "squaredcos_cap_v2": "cosine"}

// readSchedule reads the noise schedule. Which sampler the directory prefers is
// of no consequence.
func readSchedule(d directory) (s scheduleFile, err error) {
	if !d.exists(scheduleName) {
		s.params = map[string]any{
			"timesteps": 1000, "beta_schedule": "linear", "linear_start": 0.00085, "linear_end": 0.012, "parameterization": "eps",
		}
		s.assumed = []string{fmt.Sprintf("no %s: assumed Stable Diffusion's schedule, betas of 0.00085 to 0.012, scaled_linear, 1000 steps, and a U-Net that predicts epsilon; "+
			"set beta_start, beta_end, beta_schedule, num_train_timesteps and prediction_type there to change them", d.label(scheduleName))}
		return s, nil
	}
	o, err := d.object(scheduleName)
	if err != nil {
		return s, err
	}
	if class, _ := o.get("_class_name").(string); strings.HasPrefix(class, "FlowMatch") || strings.HasPrefix(class, "EDM") {
		o.bad("_class_name", "a scheduler with betas, such as DDIMScheduler or PNDMScheduler")
	}
	s.params = map[string]any{"parameterization": o.parameterization()}
	s.readBetas(o)
	switch o.get("rescale_betas_zero_snr") {
	case nil, false:
	case true:
		s.params["rescale_betas_zero_snr"] = true
	default:
		o.bad("rescale_betas_zero_snr", "true or false")
	}
	for _, field := range []string{"clip_sample", "thresholding"} {
		if o.get(field) == true {
			s.assumed = append(s.assumed, fmt.Sprintf("%s: %s is true and ignored: predicted latents are not clipped; set it to false there if that is right", o.file, field))
		}
	}
	return s, o.err
}

// parameterization is what the U-Net predicts, in the reference's words.
func (o *object) parameterization() string {
	switch o.get("prediction_type") {
	case nil, "epsilon": // files from before the field predict epsilon
		return "eps"
	case "sample":
		return "x0"
	case "v_prediction":
		return "v"
	default:
		o.bad("prediction_type", `"epsilon", "sample" or "v_prediction"`)
	}
	return ""
}

// readBetas reads the noise schedule; absent fields are diffusers' defaults.
func (s *scheduleFile) readBetas(o *object) {
	const maxSteps = 100000
	if o.has("trained_betas") {
		betas := o.betas(maxSteps)
		s.params["given_betas"], s.params["timesteps"] = betas, len(betas)
		return
	}
	for _, f := range []struct {
		field, ours string
		missing     any
		read        func(name string) any
	}{
		{"num_train_timesteps", "timesteps", 1000, func(n string) any { return o.integer(n, 1, maxSteps) }},
		{"beta_start", "linear_start", 0.0001, func(n string) any { return o.number(n, 0, 1) }},
		{"beta_end", "linear_end", 0.02, func(n string) any { return o.number(n, 0, 1) }},
		{"beta_schedule", "beta_schedule", schedules["linear"], func(n string) any { return o.schedule(n) }},
	} {
		if o.has(f.field) {
			s.params[f.ours] = f.read(f.field)
			continue
		}
		shown := f.missing
		if f.field == "beta_schedule" {
			shown = "linear"
		}
		s.params[f.ours] = f.missing
		s.assumed = append(s.assumed, assume(o.file, f.field, shown, ", diffusers' default"))
	}
}

// schedule is the reference's name of the kind of schedule.
func (o *object) schedule(name string) string {
	theirs, _ := o.get(name).(string)
	ours, ok := schedules[theirs]
	if !ok {
		o.bad(name, `"scaled_linear", "linear" or "squaredcos_cap_v2"`)
	}
	return ours
}

// betas is a schedule given number by number.
func (o *object) betas(most int) (betas []float64) {
	list, _ := o.get("trained_betas").([]any)
	ok := len(list) > 0 && len(list) <= most
	for _, v := range list {
		b, isNumber := v.(float64)
		ok = ok && isNumber && b > 0 && b < 1
		betas = append(betas, b)
	}
	if !ok {
		o.bad("trained_betas", "a list of 1 to %d numbers between 0 and 1", most)
	}
	return betas
}
