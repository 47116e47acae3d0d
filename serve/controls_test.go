package serve_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/servetest"
)

// withControls are the fake models with ControlNets and a database.
func withControls() *servetest.Models {
	models := servetest.New(0)
	models.Extra = catalog.Adapters{
		Controls:  []catalog.Control{{Name: "canny", File: "canny.safetensors", Context: 768, Hash: "01234567"}, {Name: "wide", File: "wide", Context: 1024}},
		Databases: []catalog.Database{{Name: "paintings", File: "paintings.safetensors", Pictures: 7, Width: 512}},
	}
	text := &models.Models[0]
	text.Context, text.TokenUnit, text.Branches = 768, 64, 5
	vectors := *text
	vectors.ID, vectors.Context, vectors.Vectors, vectors.VectorWidth = "rdm", 0, true, 512
	models.Models = append(models.Models, vectors)
	return models
}

// TestControls: ControlNets, databases and savings are in the job as they will run, or are
// refused by their field; A1111's extension has its own names of them.
func TestControls(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Models = withControls()
	r := start(t, cfg)
	wait := header{"Prefer": "wait=20"}
	dot := base64.StdEncoding.EncodeToString([]byte(pngOf(t, 8, 8)))
	got := r.expect(200, "POST", "/v1/jobs", m{
		"steps": 2, "token_merging": .5, "deep_cache": 3, "deep_cache_branch": 2, "adaptive_guidance": .9, "cfg_interval": []float64{.2, .8},
		"controls": []m{{"model": "canny", "image": dot, "strength": .5, "end": .75, "resize": "crop"}, {"model": "canny.safetensors", "image": dot}},
	}, wait)["request"].(m)
	for field, want := range map[string]string{
		"token_merging": "0.5", "deep_cache": "3", "deep_cache_branch": "2", "adaptive_guidance": "0.9", "cfg_interval": "[0.2 0.8]",
		"controls": "[map[end:0.75 image:control-0 model:canny resize:crop start:0 strength:0.5] map[end:1 image:control-1 model:canny start:0 strength:1]]",
	} {
		if text := fmt.Sprint(got[field]); text != want {
			t.Errorf("%s is %s, want %s", field, text, want)
		}
	}
	if got := r.expect(200, "POST", "/v1/jobs", m{"model": "rdm", "database": "paintings", "steps": 1}, wait)["request"].(m); got["database"] != "paintings" || got["neighbours"] != 7. {
		t.Errorf("%v", got)
	}
	for _, c := range []struct{ body, param, say string }{
		{`{"controls":[{"model":"depth","image":"%s"}]}`, "controls[0].model", "this server has canny, wide"},
		{`{"controls":[{"model":"wide","image":"%s"}]}`, "controls[0].model", "1024 channels"},
		{`{"controls":[{"image":"%s"}]}`, "controls[0].model", "want the name"},
		{`{"controls":[{"model":"canny"}]}`, "controls[0].image", "want a picture"},
		{`{"controls":[{"model":"canny","image":"AAAA"}]}`, "controls[0].image", "not a picture"},
		{`{"controls":[{"model":"canny","image":"%s","strength":0}]}`, "controls[0].strength", "more than 0"},
		{`{"controls":[{"model":"canny","image":"%s","start":0.5,"end":0.5}]}`, "controls[0].start", "the first one less"},
		{`{"controls":[{"model":"canny","image":"%s","resize":"latent"}]}`, "controls[0].resize", "stretch, crop or pad"},
		{`{"controls":[{"model":"canny","image":"%s","weight":1}]}`, "controls[0].weight", "no such field"},
		{`{"controls":{"model":"canny"}}`, "controls", "a list of objects"},
		{`{"model":"classes","class":0,"controls":[{"model":"canny","image":"%s"}]}`, "controls", "takes no ControlNets"},
		{`{"database":"paintings"}`, "database", "not conditioned on vectors"}, {`{"neighbours":3}`, "neighbours", "not conditioned on vectors"},
		{`{"model":"rdm","database":"photos"}`, "database", "this server has paintings"}, {`{"model":"rdm","neighbours":3}`, "neighbours", "without database"},
		{`{"model":"rdm","database":"paintings","neighbours":8}`, "neighbours", "want 1 to 7"},
		{`{"token_merging":0.9}`, "token_merging", "want 0 to 0.75"}, {`{"token_merging":0.5,"width":96}`, "token_merging", "multiples of 64"},
		{`{"deep_cache":1}`, "deep_cache", "want 2 to"}, {`{"deep_cache_branch":1}`, "deep_cache_branch", "without deep_cache"},
		{`{"deep_cache":2,"deep_cache_branch":6}`, "deep_cache_branch", "want 1 to 5"}, {`{"adaptive_guidance":0}`, "adaptive_guidance", "above 0"},
		{`{"adaptive_guidance":0.9,"cfg_scale":1}`, "adaptive_guidance", "no effect"}, {`{"cfg_interval":[0.2,0.8],"cfg_scale":1}`, "cfg_interval", "no effect"},
		{`{"cfg_interval":[0.8,0.2]}`, "cfg_interval", "two shares"}, {`{"cfg_interval":"0.2,0.8"}`, "cfg_interval", "a list of numbers"}, {`{"cfg_interval":[1]}`, "cfg_interval", "two shares"},
	} {
		body := strings.ReplaceAll(c.body, "%s", dot)
		if e := r.expect(422, "POST", "/v1/jobs", body, nil)["error"].(m); e["param"] != c.param || !strings.Contains(e["message"].(string), c.say) {
			t.Errorf("%s: %v, want %s: %s", c.body, e, c.param, c.say)
		}
	}
	a := r.expect(200, "GET", "/v1/capabilities", nil, nil)
	if fmt.Sprint(a["controls"], a["databases"]) != "[canny wide] [map[name:paintings pictures:7]]" {
		t.Errorf("capabilities %v, %v", a["controls"], a["databases"])
	}
	checkUnits(t, r, cfg.Models.(*servetest.Models), dot)
}

// checkUnits sends what clients of A1111's extension for ControlNets send.
func checkUnits(t *testing.T, r *running, models *servetest.Models, dot string) {
	t.Helper()
	unit := func(more m) m { // as webuiapi writes it
		u := m{
			"image": dot, "module": "none", "model": "canny [01234567]", "weight": .7, "resize_mode": "Resize and Fill", "lowvram": false, "processor_res": 512,
			"threshold_a": 64, "threshold_b": 64, "guidance_start": 0.1, "guidance_end": 0.9, "control_mode": 0, "pixel_perfect": false, "hr_option": "Both", "enabled": true,
		}
		for name, v := range more {
			u[name] = v
		}
		return u
	}
	request := func(units ...m) m {
		return m{"prompt": "a", "steps": 1, "alwayson_scripts": m{"controlnet": m{"args": units}}}
	}
	newest := func() string {
		j := r.expect(200, "GET", "/v1/jobs?limit=1", nil, nil)["data"].([]any)[0].(m)["request"].(m)
		return fmt.Sprint(j["controls"], j["token_merging"], j["cfg_interval"])
	}
	body := request(unit(nil), unit(m{"enabled": false}), unit(m{"model": "None"}), unit(m{"weight": 0}))
	body["override_settings"] = m{"token_merging_ratio": .5, "skip_early_cond": .25}
	answer := r.expect(200, "POST", "/sdapi/v1/txt2img", body, nil)
	if want := "[map[end:0.9 image:control-0 model:canny resize:pad start:0.1 strength:0.7]] 0.5 [0.25 1]"; newest() != want {
		t.Errorf("the job has %s, want %s", newest(), want)
	}
	if answer["parameters"].(m)["alwayson_scripts"] != nil {
		t.Error("the pictures that were sent come back")
	}
	other := m{"input_image": m{"image": dot, "mask": nil}, "image": nil, "module": nil, "resize_mode": 0, "control_mode": "Balanced", "guidance_end": nil, "guidance": .6}
	r.expect(200, "POST", "/sdapi/v1/txt2img", m{"steps": 1, "alwayson_scripts": m{"ControlNet": m{"args": []m{unit(other)}}}}, nil)
	if want := "[map[end:0.6 image:control-0 model:canny start:0.1 strength:0.7]] <nil> <nil>"; newest() != want {
		t.Errorf("the job has %s, want %s", newest(), want)
	}
	pic := request(unit(m{"image": nil}))
	pic["init_images"] = []string{dot}
	r.expect(200, "POST", "/sdapi/v1/img2img", pic, nil)
	for say, units := range map[string]m{
		"args[0].module": {"module": "canny"}, "args[0].control_mode": {"control_mode": 2}, "args[0].mask": {"mask": dot}, "args[0].resize_mode": {"resize_mode": "Fit"},
		"args[0].weight": {"weight": -1}, "args[0].guidance_start": {"guidance_start": 1}, "no ControlNet": {"model": "depth [99999999]"}, "args[0].image": {"image": "x"},
		"args[0].advanced_weighting": {"advanced_weighting": []float64{1}},
	} {
		if e := r.expect(422, "POST", "/sdapi/v1/txt2img", request(unit(units)), nil); !strings.Contains(e["detail"].(string), say) {
			t.Errorf("%v: %v, want %s", units, e["detail"], say)
		}
	}
	r.expect(422, "POST", "/sdapi/v1/txt2img", m{"alwayson_scripts": m{"ADetailer": m{"args": []any{true}}}}, nil)
	list := r.expect(200, "GET", "/controlnet/model_list", nil, nil)["model_list"].([]any)
	if !slices.Equal(list, []any{"canny [01234567]", "wide []"}) {
		t.Errorf("the ControlNets are %v", list)
	}
	if s := r.expect(200, "GET", "/sdapi/v1/scripts", nil, nil); !slices.Contains(s["txt2img"].([]any), any("controlnet m2m")) {
		t.Errorf("webuiapi finds no ControlNets: %v", s)
	}
	for _, path := range []string{"module_list", "version", "settings"} {
		r.expect(200, "GET", "/controlnet/"+path, nil, nil)
	}
	if e := r.expect(404, "GET", "/controlnet/nothing", nil, nil); e["detail"] == nil {
		t.Errorf("%v is not of A1111's form", e)
	}
}
