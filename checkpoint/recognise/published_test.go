package recognise_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint/recognise"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/unet"
)

// names are those of the published models, by a part of the path of the YAML.
var names = []struct{ path, name string }{
	{"cin256-v2", "LDM cin256-v2"}, {"cin", "LDM cin256"}, {"text2img256", "LDM text2img256"},
	{"txt2img-1p4B", "LDM text-to-image 1.45B"}, {"layout2img", "LDM layout2img-openimages256"},
	{"celeba", "LDM CelebA-HQ, FFHQ or LSUN bedrooms 256"}, {"ffhq", "LDM CelebA-HQ, FFHQ or LSUN bedrooms 256"},
	{"beds", "LDM CelebA-HQ, FFHQ or LSUN bedrooms 256"}, {"bedrooms", "LDM CelebA-HQ, FFHQ or LSUN bedrooms 256"},
	{"bsr_sr", "LDM bsr_sr"}, {"churches", "LDM LSUN churches 256"}, {"inpainting", "LDM inpainting_big"},
	{"semantic", "LDM semantic_synthesis256 or 512"}, {"768x768", "RDM 768x768"}, {"v1-inference", "Stable Diffusion v1"},
	{"kl_16x16x16", "kl-f16"}, {"kl_32x32x4", "kl-f8"}, {"kl_64x64x3", "kl-f4"}, {"kl_8x8x64", "kl-f32"},
}

func nameFor(path string) string {
	for _, n := range names {
		if strings.Contains(path, n.path) {
			return n.name
		}
	}
	return filepath.Base(filepath.Dir(path))
}

// reference gives the path of a file beside the golden numbers.
func reference(t *testing.T, path ...string) string {
	t.Helper()
	path = append([]string{golden.Folder(t), "..", "reference"}, path...)
	file := filepath.Join(path...)
	if _, err := os.Stat(file); err != nil {
		t.Skip(err)
	}
	return file
}

func keys(t *testing.T, file string) map[string]map[string][]int {
	t.Helper()
	raw, err := os.ReadFile(reference(t, file))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string][]int
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func yaml(t *testing.T, path string) config.Target {
	t.Helper()
	file := map[string]any{}
	path = reference(t, "configs", strings.TrimPrefix(path, "configs/"))
	if err := config.Load(&file, []string{path}, nil); err != nil {
		t.Fatal(err)
	}
	return target(file["model"])
}

func TestPublishedAutoencoders(t *testing.T) {
	for path, shapes := range keys(t, "keys_ae.json") {
		t.Run(path, func(t *testing.T) {
			m, err := recognise.From(shapes)
			if err != nil {
				t.Fatal(err)
			}
			want := yaml(t, path)
			if m.Target.Target != want.Target || m.Name != nameFor(path) {
				t.Errorf("%s named %q, want %s named %q", m.Target.Target, m.Name, want.Target, nameFor(path))
			}
			got := stageOf(t, m.Target)
			sameStage(t, got, stageOf(t, want))
			sameShapes(t, stageShapes(t, got, ""), shapes)
		})
	}
}

func sameStage(t *testing.T, got, want autoencoder.Config) {
	t.Helper()
	for _, c := range []*autoencoder.Config{&got, &want} {
		c.LossConfig, c.Monitor, c.CkptPath = nil, "", "" // not of the structure
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("first stage %+v, want %+v", got, want)
	}
}

func TestPublishedDiffusion(t *testing.T) {
	for path, shapes := range keys(t, "keys_ldm.json") {
		t.Run(path, func(t *testing.T) { checkPublished(t, path, shapes, yaml(t, path)) })
	}
}

// TestStableDiffusion goes from the YAML, as there is no list of its keys.
func TestStableDiffusion(t *testing.T) {
	model := yaml(t, "stable-diffusion/v1-inference.yaml")
	checkPublished(t, "v1-inference", partsOf(t, model).shapes(t), model)
}

func checkPublished(t *testing.T, path string, shapes map[string][]int, model config.Target) {
	m, err := recognise.From(shapes)
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind != recognise.KindLatentDiffusion || m.Target.Target != model.Target || m.Name != nameFor(path) || len(m.Assumed) == 0 {
		t.Errorf("%s %s named %q, want %q", m.Kind, m.Target.Target, m.Name, nameFor(path))
	}
	got, want := partsOf(t, m.Target), partsOf(t, model)
	sameUNet(t, got.unet, want.unet, oneHead(path))
	if said := slices.ContainsFunc(m.Assumed, func(s string) bool { return strings.Contains(s, "was trained with one") }); said != oneHead(path) {
		t.Errorf("assumed %q", m.Assumed)
	}
	sameStage(t, got.stage, want.stage)
	sameCondition(t, got.cond, want.cond)
	sameParams(t, path, got, want)
	sameShapes(t, got.shapes(t), shapes)
}

// oneHead tells the models that were trained with one head whatever their YAML says.
func oneHead(path string) bool {
	return strings.Contains(path, "cin-ldm") || strings.Contains(path, "cin256/") || strings.Contains(path, "text2img256") || strings.Contains(path, "layout2img")
}

func sameUNet(t *testing.T, got, want unet.Config, oneHead bool) {
	t.Helper()
	if oneHead {
		want.NumHeads, want.NumHeadChannels = 1, -1
	}
	tru := true
	for _, c := range []*unet.Config{&got, &want} {
		c.ImageSize, c.UseCheckpoint = 0, false
		c.AttentionResolutions = slices.DeleteFunc(c.AttentionResolutions, func(r int) bool { return r > c.Factor() })
		slices.Sort(c.AttentionResolutions)
		if c.Legacy == nil {
			c.Legacy = &tru
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("U-Net %+v, want %+v", got, want)
	}
}

func sameCondition(t *testing.T, got, want config.Target) {
	t.Helper()
	if got.Target != want.Target {
		t.Fatalf("conditioner %s, want %s", got.Target, want.Target)
	}
	into := func() any { return &map[string]any{} }
	switch {
	case strings.HasSuffix(got.Target, ".BERTEmbedder"):
		into = func() any { c := conditioner.Transformer{}.WithDefaults(); return &c }
	case strings.HasSuffix(got.Target, ".ClassEmbedder"):
		into = func() any { return &conditioner.ClassEmbedder{NClasses: 1000} }
	case strings.HasSuffix(got.Target, ".SpatialRescaler"):
		into = func() any { c := conditioner.DefaultRescaler(); return &c }
	}
	g, w := into(), into()
	decode(t, got, g)
	decode(t, want, w)
	if !reflect.DeepEqual(g, w) {
		t.Errorf("conditioner %+v, want %+v", g, w)
	}
}

// sameParams compares what the diffusion needs with the YAML.
func sameParams(t *testing.T, path string, got, want parts) {
	t.Helper()
	var g, w struct {
		LinearStart float64 `yaml:"linear_start"`
		LinearEnd   float64 `yaml:"linear_end"`
		Timesteps   int     `yaml:"timesteps"`
		LossType    string  `yaml:"loss_type"`
		ImageSize   int     `yaml:"image_size"`
		Channels    int     `yaml:"channels"`
		ScaleFactor float64 `yaml:"scale_factor"`
		ScaleByStd  bool    `yaml:"scale_by_std"`
		Concat      string  `yaml:"conditioning_key"`
	}
	g.LossType, w.LossType, g.ScaleFactor, w.ScaleFactor = "l2", "l2", 1, 1
	for p, into := range map[*parts]any{&got: &g, &want: &w} {
		known := maps.Clone(p.params)
		maps.DeleteFunc(known, func(k string, _ any) bool {
			return !slices.Contains([]string{"linear_start", "linear_end", "timesteps", "loss_type", "image_size", "channels", "scale_factor", "scale_by_std", "conditioning_key"}, k)
		})
		decode(t, config.Target{Params: known}, into)
	}
	if w.Concat == "" && want.cond.Target != "__is_unconditional__" {
		w.Concat = "concat" // concat_mode is true where the YAML does not speak of it
	}
	if strings.Contains(path, "semantic_synthesis512") {
		w.ImageSize = 64 // nothing tells it from that of 256
	}
	if g != w {
		t.Errorf("%+v, want %+v", g, w)
	}
}
