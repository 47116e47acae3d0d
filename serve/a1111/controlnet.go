package a1111

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
)

// The extension of A1111's web UI for ControlNets (sd-webui-controlnet), whose fields
// clients send as alwayson_scripts.controlnet.args, and whose addresses they ask for.
const (
	scriptControl  = "controlnet"
	controlField   = "alwayson_scripts.controlnet.args"
	controlVersion = 3
)

// registerControl adds the extension's addresses.
func (a *API) registerControl(mux *http.ServeMux) {
	answer := func(path string, value func() any) {
		mux.HandleFunc("GET /controlnet/"+path, func(w http.ResponseWriter, _ *http.Request) { core.JSON(w, http.StatusOK, value()) })
	}
	answer("model_list", func() any {
		list := []string{}
		for _, c := range a.Adapters().Controls {
			list = append(list, c.Title())
		}
		return map[string]any{"model_list": list}
	})
	answer("module_list", func() any {
		return map[string]any{"module_list": []string{"none"}, "module_detail": map[string]any{"none": map[string]any{"model_free": false, "sliders": []any{}}}}
	})
	answer("version", func() any { return map[string]any{"version": controlVersion} })
	answer("settings", func() any { return map[string]any{"control_net_unit_count": intake.MaxControls} })
}

// scriptList lists the scripts. By the second of the extension's names webuiapi tells that it
// is there.
func (a *API) scriptList(w http.ResponseWriter, _ *http.Request) {
	list := []string{}
	if len(a.Adapters().Controls) > 0 {
		list = append(list, scriptControl, "controlnet m2m")
	}
	core.JSON(w, http.StatusOK, map[string][]string{"txt2img": list, "img2img": list})
}

// scripts reads the scripts that are always on: ControlNet is the one that there is, where
// the server has some.
func (a *API) scripts(f *fields.Fields, in *intake.Input) {
	for name := range f.Map("alwayson_scripts") {
		if !strings.EqualFold(name, scriptControl) || len(a.Adapters().Controls) == 0 {
			f.Fail("alwayson_scripts", fields.Unsupported, "always on script %s not found", name)
			continue
		}
		for i, unit := range f.Sub("alwayson_scripts").Sub(name).List("args") {
			if on := unit.Bool("enabled"); on == nil || *on {
				if c, ok := controlUnit(unit); ok {
					in.Controls = append(in.Controls, c)
				}
			}
			f.Join(fmt.Sprintf("%s[%d].", controlField, i), unit)
		}
	}
}

// without are values of a unit that ask for nothing.
func without(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == "" || strings.EqualFold(v, "none")
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// controlUnit reads one ControlNet. What only the extension's own preprocessors read
// (processor_res, threshold_a, threshold_b, pixel_perfect) has nothing to act on without
// one, and is taken.
func controlUnit(f *fields.Fields) (c intake.Control, ok bool) {
	if c.Model = f.Text("model"); without(c.Model) {
		return c, false // a unit without a model does nothing there either
	}
	if module := f.Text("module"); !without(module) {
		f.Fail("module", fields.Unsupported, "%q: this server has no preprocessors: want none, and the map of edges, depths or poses itself as image", module)
	}
	c.Image = unitPicture(f)
	c.Strength, c.Start, c.End = f.Float("weight"), f.Float("guidance_start"), f.Float("guidance_end")
	if c.End == nil {
		c.End = f.Float("guidance")
	}
	if c.Strength != nil && *c.Strength == 0 {
		return c, false
	}
	c.Resize = unitResize(f)
	if mode := f.Any("control_mode"); mode != nil && !isFirst(mode, "balanced") {
		f.Fail("control_mode", fields.Unsupported, "%v: this server knows Balanced (0) alone", mode)
	}
	for _, name := range []string{"mask", "mask_image", "advanced_weighting", "effective_region_mask", "ipadapter_input", "loopback", "batch_images", "batch_mask_dir", "union_control_type"} {
		if v := f.Any(name); !without(v) && !isFirst(v, "unknown") {
			f.Fail(name, fields.Unsupported, "this server cannot do that")
		}
	}
	if mode := f.Any("input_mode"); !without(mode) && !isFirst(mode, "simple") {
		f.Fail("input_mode", fields.Unsupported, "%v: this server knows simple alone", mode)
	}
	return c, true
}

// isFirst tells whether a value is the first of several, by its number or its name.
func isFirst(v any, name string) bool {
	text := strings.ToLower(fmt.Sprint(v))
	return text == "0" || text == name
}

// unitPicture is the picture of a unit: base64, or an object with one; nil where the picture
// to begin with is meant.
func unitPicture(f *fields.Fields) []byte {
	for _, name := range []string{"image", "input_image"} {
		from, field := f, name
		if m, ok := f.Any(name).(map[string]any); ok {
			if !without(m["mask"]) {
				f.Fail(name, fields.Unsupported, "a mask for a ControlNet: this server cannot do that")
			}
			from, field = f.Sub(name), "image"
		}
		text := from.Text(field)
		if text == "" {
			continue
		}
		data, err := intake.Base64(text)
		if err != nil {
			f.Fail(name, fields.InvalidImage, "%v", err)
		}
		return data
	}
	return nil
}

// unitResize is how a unit's picture is made to fit; the extension crops it where nothing
// is said.
func unitResize(f *fields.Fields) job.ResizeMode {
	v := f.Any("resize_mode")
	if v == nil {
		return job.Crop
	}
	text := strings.ToLower(fmt.Sprint(v))
	for mode, names := range map[job.ResizeMode][]string{
		job.Stretch: {"0", "just resize"}, job.Crop: {"1", "crop and resize", "scale to fit (inner fit)", "inner fit (scale to fit)"},
		job.Pad: {"2", "resize and fill", "envelope (outer fit)", "outer fit (shrink to fit)"},
	} {
		if slices.Contains(names, text) {
			return mode
		}
	}
	f.Fail("resize_mode", fields.InvalidValue, "%v: want Just Resize (0), Crop and Resize (1) or Resize and Fill (2)", v)
	return job.Crop
}

// savings reads what A1111's settings of a request have for speed: token merging, and the
// share of the first steps without guidance.
func savings(o *fields.Fields, in *intake.Input, withImage bool) {
	in.TokenMerging = o.Float("token_merging_ratio")
	if own := o.Float("token_merging_ratio_img2img"); withImage && own != nil && *own > 0 {
		in.TokenMerging = own
	}
	if skip := o.Float("skip_early_cond"); skip != nil && *skip != 0 {
		in.CFGInterval = []float64{*skip, 1}
	}
}
