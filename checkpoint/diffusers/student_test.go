package diffusers

import "testing"

// TestTimeCondProj: the map of the guidance's embedding is configured and named.
func TestTimeCondProj(t *testing.T) {
	files := stableDiffusion()
	files["unet/config.json"] = file(replace(sdUNet, `"sample_size": 64`, `"sample_size": 64, "time_cond_proj_dim": 256`))
	l, err := Open("", files)
	if err != nil {
		t.Fatal(err)
	}
	unet, _ := l.Target.Params["unet_config"].(map[string]any)
	params, _ := unet["params"].(map[string]any)
	if params["time_cond_proj_dim"] != 256 {
		t.Errorf("time_cond_proj_dim is %v", params["time_cond_proj_dim"])
	}
	if _, names, ok := l.Name("model.diffusion_model.time_embed.cond_proj.weight"); !ok || names[0] != "time_embedding.cond_proj.weight" {
		t.Errorf("the map is called %v", names)
	}
}
