package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
)

// tinyYAML is a model of 32 channels over latents of a quarter of the picture's side.
const tinyYAML = `model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.0015
    linear_end: 0.0195
    image_size: 8
    channels: 4
    conditioning_key: concat
    cond_stage_key: class_label
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 1, 2], num_res_blocks: 1, attn_resolutions: [], dropout: 0.0}
        lossconfig: {target: torch.nn.Identity}
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: 4, out_channels: 4, model_channels: 32, num_res_blocks: 1, attention_resolutions: [2, 1],
        channel_mult: [1, 2], num_heads: 8}
    cond_stage_config: __is_unconditional__
`

const (
	tinyParams = "model.params."
	tinyUNet   = tinyParams + "unet_config.params."
)

var (
	crossed    = []string{tinyParams + "conditioning_key=crossattn", tinyUNet + "use_spatial_transformer=true", tinyUNet + "transformer_depth=1", tinyUNet + "context_dim=32"}
	byClass    = append(slices.Clone(crossed), tinyParams+"cond_stage_config={target: "+config.TargetClassEmbedder+", params: {embed_dim: 32, n_classes: 3, key: class_label}}")
	byLayout   = append(slices.Clone(crossed), tinyParams+"cond_stage_key=coordinates_bbox", tinyParams+"cond_stage_config={target: "+config.TargetTransformer+", params: {n_embed: 32, n_layer: 1, vocab_size: 8192, max_seq_len: 92, use_tokenizer: false}}")
	enlarging  = []string{tinyUNet + "in_channels=7", tinyParams + "cond_stage_config={target: " + config.TargetIdentity + "}"}
	mapping    = []string{tinyUNet + "in_channels=7", tinyParams + "cond_stage_config={target: " + config.TargetSpatialRescaler + ", params: {n_stages: 2, in_channels: 4, out_channels: 3}}"}
	nine       = append(slices.Clone(crossed), tinyParams+"conditioning_key=hybrid", tinyUNet+"in_channels=9", tinyParams+"cond_stage_config={target: "+config.TargetTransformer+", params: {n_embed: 32, n_layer: 1, max_seq_len: 6}}")
	inpainting = []string{tinyUNet + "in_channels=9", tinyParams + "cond_stage_config=" + config.FirstStageAsCond}
)

// tinyModel writes a model without training.
func tinyModel(t *testing.T, classes []string, overrides ...string) string {
	t.Helper()
	var file struct {
		Model config.Target `yaml:"model"`
	}
	if err := config.Parse(&file, "tiny.yaml", []byte(tinyYAML), overrides); err != nil {
		t.Fatal(err)
	}
	net, err := model.New(file.Model)
	if err != nil {
		t.Fatal(err)
	}
	specs, err := net.AllParams()
	if err != nil {
		t.Fatal(err)
	}
	vars := engine.Vars{}
	for _, s := range specs {
		vars[s.Name] = golden.Weight(s.Name, s.Shape, 1)
	}
	path := filepath.Join(t.TempDir(), "tiny.safetensors")
	if err := modelfile.Save(t.Context(), path, net, file.Model, nil, classes, vars, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	return path
}

// picturesOf writes a disc, and a mask of the left half.
func picturesOf(t *testing.T, w, h int) (dir, in, mask string) {
	t.Helper()
	dir = t.TempDir()
	img, m := image.NewRGBA(image.Rect(0, 0, w, h)), image.NewGray(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := i%w, i/w
		img.Set(x, y, color.RGBA{byte(5 * x), byte(3 * y), byte(x * y), 255})
		if x < w/2 {
			m.SetGray(x, y, color.Gray{255})
		}
	}
	in, mask = filepath.Join(dir, "in.png"), filepath.Join(dir, "mask.png")
	for path, img := range map[string]image.Image{in: img, mask: m} {
		if err := picture.Save(path, img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	return dir, in, mask
}

// checkKnown wants two pictures equal right of a column, and different left of it.
func checkKnown(t *testing.T, a, b string, from int) {
	t.Helper()
	x, err := picture.Decode(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := picture.Decode(b)
	if err != nil || x.Rect != y.Rect {
		t.Fatal(x.Rect, y.Rect, err)
	}
	made := 0
	for i := range x.Pix {
		if x.Pix[i] == y.Pix[i] {
			continue
		}
		if made++; i/4%x.Rect.Dx() >= from {
			t.Fatalf("%s: the pixel at %d, %d has changed", b, i/4%x.Rect.Dx(), i/4/x.Rect.Dx())
		}
	}
	if made == 0 {
		t.Errorf("%s: nothing is new", b)
	}
}

func checkPicture(t *testing.T, path string, w, h int) {
	t.Helper()
	if gw, gh, err := picture.Size(path); gw != w || gh != h || err != nil {
		t.Errorf("%s: %dx%d, want %dx%d; %v", filepath.Base(path), gw, gh, w, h, err)
	}
}

// TestInpaint: what is outside the mask and its blur comes back bit for bit, with every
// kind of model, and so does the whole picture from its recipe.
func TestInpaint(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	dir, in, mask := picturesOf(t, 64, 64)
	trained, plain := tinyModel(t, nil, inpainting...), tinyModel(t, nil, tinyParams+"conditioning_key=null")
	for i, args := range [][]string{
		{"-p", "a red heart", "--mask-blur", "2"},
		{"-p", "a red heart", "--mask-blur", "2", "--fill", "noise"},
		{"-p", "a red heart", "--mask-blur", "2", "--fill", "fill", "--strength", "0.8"},
		{"-p", "a red heart", "--only-masked", "--mask-blur", "2", "--padding", "4"},
		{"-m", trained, "--mask-blur", "2"},
		{"-m", trained, "--only-masked", "--mask-blur", "2"},
		{"-m", tinyModel(t, nil, nine...), "-p", "a red hat", "--cfg-scale", "2", "--mask-blur", "2"},
		{"-m", plain, "--mask-blur", "0", "--mask-grow", "3"},
	} {
		out, again := filepath.Join(dir, fmt.Sprint(i, ".png")), filepath.Join(dir, fmt.Sprint(i, "again.png"))
		printed(t, append([]string{"inpaint", in, "--mask", mask, "--steps", "2", "--seed", "3", "-o", out}, args...)...)
		checkKnown(t, in, out, 32+6)
		repeat := []string{"inpaint", "--from-image", out, "-o", again}
		if args[0] == "-m" {
			repeat = append(repeat, args[:2]...)
		}
		printed(t, repeat...)
		if !bytes.Equal(pixelsOf(t, out), pixelsOf(t, again)) {
			t.Errorf("%v is not repeated", args)
		}
	}
	out := filepath.Join(dir, "outside.png")
	printed(t, "outpaint", in, "--left", "32", "-p", "x", "--steps", "2", "--mask-blur", "0", "-o", out)
	checkPicture(t, out, 96, 64)
	img, err := picture.Decode(out)
	if err != nil {
		t.Fatal(err)
	}
	known, _ := picture.Decode(in)
	if got, want := img.At(32+40, 20), known.At(40, 20); got != want {
		t.Errorf("a known pixel is %v, want %v", got, want)
	}
}

// TestImageToImage: pictures of any form and size.
func TestImageToImage(t *testing.T) {
	dir, in, _ := picturesOf(t, 70, 50)
	for i, c := range []struct {
		w, h int
		args []string
	}{
		{64, 64, []string{"-W", "64", "-H", "64"}},
		{64, 48, []string{"-W", "64", "-H", "48", "--resize", "pad", "--strength", "1"}},
		{70, 50, []string{"--fit", "--sampler", "DPM++ 2M Karras"}},
		{3*(64+4) - 4, 15 + 4 + 64, []string{"-W", "64", "-H", "64", "--resize", "crop", "--grid", "strength=0.3,0.6,1"}},
	} {
		out := filepath.Join(dir, fmt.Sprint(i, ".png"))
		printed(t, append([]string{"img2img", in, "-p", "a red heart", "--steps", "4", "-o", out}, c.args...)...)
		if c.h != 83 {
			checkPicture(t, out, c.w, c.h)
		}
	}
	if err := ldmCommand("img2img", in, "-p", "x", "-o", filepath.Join(dir, "x.png")); err == nil || !strings.Contains(err.Error(), "multiples of 16") {
		t.Errorf("a size that is not legal: %v", err)
	}
}

// TestInputForms: pictures are read as a person sees them.
func TestInputForms(t *testing.T) {
	dir := t.TempDir()
	plain, deep, clear := filepath.Join(dir, "plain.png"), filepath.Join(dir, "deep.png"), filepath.Join(dir, "clear.png")
	a, b, c := image.NewRGBA(image.Rect(0, 0, 64, 64)), image.NewNRGBA64(image.Rect(0, 0, 64, 64)), image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		x, y := i%64, i/64
		v := color.RGBA{byte(4 * x), byte(4 * y), 9, 255}
		if x < 8 {
			v = color.RGBA{255, 255, 255, 255}
		} else {
			c.Set(x, y, v)
		}
		a.Set(x, y, v)
		b.Set(x, y, v)
	}
	for path, img := range map[string]image.Image{plain: a, deep: b, clear: c} {
		if err := picture.Save(path, img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	var want []byte
	for _, in := range []string{plain, deep, clear} {
		out := in + ".out.png"
		printed(t, "img2img", in, "-p", "a red heart", "--steps", "2", "--seed", "1", "-o", out)
		if got := pixelsOf(t, out); want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s gives another picture", filepath.Base(in))
		}
	}
}

// TestOtherFiles: recipes in JPEG and WebP, and the settings of other programs.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, ext := range []string{"jpg", "webp"} {
		first, again := filepath.Join(dir, "a."+ext), filepath.Join(dir, "b."+ext)
		printed(t, quick("txt2img", "a red heart, \"é\"", "--seed", "4", "-o", first)...)
		printed(t, "txt2img", "--from-image", first, "-o", again)
		if !bytes.Equal(pixelsOf(t, first), pixelsOf(t, again)) {
			t.Errorf("%s is not repeated", ext)
		}
	}
	theirs := filepath.Join(dir, "theirs.png")
	text := "a red heart\nNegative prompt: a cat\nSteps: 3, Sampler: Euler a, Schedule type: Karras, CFG scale: 2, Seed: 7, Size: 64x64, Model: other, Hires upscale: 2, Clip skip: 2, Version: v1.10.1"
	if err := picture.Save(theirs, disc(8, color.Black), picture.Options{Notes: []picture.Note{{Keyword: "parameters", Text: text}}}); err != nil {
		t.Fatal(err)
	}
	taken, same := filepath.Join(dir, "taken.png"), filepath.Join(dir, "same.png")
	printed(t, "txt2img", "--from-image", theirs, "-o", taken)
	printed(t, "txt2img", "a red heart", "--negative-prompt", "a cat", "--steps", "3", "--sampler", "k_euler_a", "--scheduler", "karras", "--cfg-scale", "2",
		"--seed", "7", "--rng", "torch-cuda", "-o", same)
	if !bytes.Equal(pixelsOf(t, taken), pixelsOf(t, same)) {
		t.Error("the settings of another program are not taken over")
	}
}

// TestTasksOfThePaper: each task with a model of its kind.
func TestTasksOfThePaper(t *testing.T) {
	if testing.Short() {
		t.Skip("draws with a model of each task")
	}
	dir, in, _ := picturesOf(t, 13, 9)
	out := func(name string) string { return filepath.Join(dir, name) }
	enlarger, mapper := tinyModel(t, nil, enlarging...), tinyModel(t, nil, mapping...)
	classes, layouts := tinyModel(t, []string{"cat", "dog", "none"}, byClass...), tinyModel(t, []string{"cat", "dog"}, byLayout...)

	printed(t, "upscale", in, "-m", enlarger, "--steps", "2", "-o", out("x4.png"))
	checkPicture(t, out("x4.png"), 52, 36)
	printed(t, "upscale", in, "-m", enlarger, "--steps", "1", "--passes", "2", "-o", out("x16.png"))
	checkPicture(t, out("x16.png"), 208, 144)
	printed(t, "upscale", in, "-m", enlarger, "--steps", "1", "--consistency", "1", "-o", out("same.png"))
	same, err := picture.Decode(out("same.png"))
	given, err2 := picture.Decode(in)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for i, v := range picture.Resize(picture.OnWhite(same), 13, 9, picture.Bicubic).Pix {
		if d := int(v) - int(picture.OnWhite(given).Pix[i]); d < -40 || d > 40 { // without: 255, from an untrained model
			t.Fatalf("made small again, value %d is off by %d", i, d)
		}
	}

	m := image.NewPaletted(image.Rect(0, 0, 45, 30), palette.Plan9[:4])
	for i := range m.Pix {
		m.Pix[i] = byte(i / 15 % 4)
	}
	colours := image.NewRGBA(m.Rect)
	for i := range m.Pix {
		colours.Set(i%45, i/45, m.At(i%45, i/45))
	}
	text := ""
	for _, c := range palette.Plan9[:4] {
		r, g, b, _ := c.RGBA()
		text += fmt.Sprintf("#%02x%02x%02x thing\n", r>>8, g>>8, b>>8)
	}
	os.WriteFile(out("colours.txt"), []byte(text), 0o666)
	picture.Save(out("map.png"), m, picture.Options{})
	picture.Save(out("painted.png"), colours, picture.Options{})
	printed(t, "semantic", out("map.png"), "-m", mapper, "--steps", "2", "--seed", "1", "-o", out("a.png"))
	checkPicture(t, out("a.png"), 45, 30)
	printed(t, "semantic", out("painted.png"), "--palette", out("colours.txt"), "-m", mapper, "--steps", "2", "--seed", "1", "-o", out("b.png"))
	if !bytes.Equal(pixelsOf(t, out("a.png")), pixelsOf(t, out("b.png"))) {
		t.Error("a palette and colours give two pictures")
	}
	printed(t, "semantic", out("map.png"), "-m", mapper, "--steps", "1", "-W", "96", "-H", "64", "-o", out("c.png"))
	checkPicture(t, out("c.png"), 96, 64)

	printed(t, "sample", "-m", classes, "--class", "dog", "--seed", "1", "--steps", "2", "-o", out("d.png"))
	printed(t, "sample", "-m", classes, "--class", "1", "--seed", "1", "--steps", "2", "-o", out("e.png"))
	if !bytes.Equal(pixelsOf(t, out("d.png")), pixelsOf(t, out("e.png"))) {
		t.Error("a class by its name and by its number give two pictures")
	}
	printed(t, "sample", "-m", classes, "--steps", "1", "--grid", "class=cat,dog", "cfg-scale=1,2", "-o", out("g.png"))
	printed(t, "interpolate", "cat", "dog", "-m", classes, "--frames", "2", "--steps", "1", "-o", out("h.png"))

	os.WriteFile(out("boxes.json"), []byte(`{"images": [{"id": 7, "file_name": "x.jpg", "width": 200, "height": 100}],
		"annotations": [{"image_id": 7, "category_id": 18, "bbox": [20, 20, 100, 60], "iscrowd": 0}], "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]}`), 0o666)
	printed(t, "layout2img", "-m", layouts, "--box", "dog:0.1,0.2,0.5,0.6", "--steps", "2", "--seed", "1", "-o", out("i.png"))
	printed(t, "layout2img", "-m", layouts, "--boxes", out("boxes.json"), "--steps", "2", "--seed", "1", "-o", out("j.png"))
	printed(t, "layout2img", "-m", layouts, "--from-image", out("j.png"), "-o", out("k.png"))
	for _, other := range []string{"j.png", "k.png"} {
		if !bytes.Equal(pixelsOf(t, out("i.png")), pixelsOf(t, out(other))) {
			t.Errorf("%s differs", other)
		}
	}
	badTasks(t, dir, in, enlarger, mapper, classes, layouts)
}

// badTasks: each is refused in one line, and nothing is written.
func badTasks(t *testing.T, dir, in, enlarger, mapper, classes, layouts string) {
	t.Helper()
	out := filepath.Join(dir, "bad.png")
	black := filepath.Join(dir, "black.png")
	picture.Save(black, image.NewGray(image.Rect(0, 0, 13, 9)), picture.Options{})
	for _, c := range []struct{ want, args string }{
		{"the mask is black everywhere", "inpaint " + in + " -p x --mask " + black},
		{"want one size", "inpaint " + in + " -p x --mask " + filepath.Join(dir, "map.png")},
		{"is opaque everywhere", "inpaint " + in + " -p x"},
		{"--mask-blur -1", "inpaint " + in + " -p x --mask " + black + " --mask-blur -1"},
		{"--fill sand", "inpaint " + in + " -p x --mask " + black + " --fill sand"},
		{"--strength 0:", "img2img " + in + " -p x --strength 0"},
		{"--strength NaN", "img2img " + in + " -p x --strength nan"},
		{"--resize tight", "img2img " + in + " -p x --resize tight"},
		{"which picture?", "img2img -p x"},
		{"no such file", "img2img " + filepath.Join(dir, "nothing.png") + " -p x"},
		{"is not in the picture", "layout2img -m " + layouts + " --box cat:0.5,0.5,0.6,0.1"},
		{"is not in the picture", "layout2img -m " + layouts + " --box cat:0,0,nan,1"},
		{"want one of", "layout2img -m " + layouts + " --box cow:0,0,1,1"},
		{"has no picture 8", "layout2img -m " + layouts + " --boxes " + filepath.Join(dir, "boxes.json") + " --image-id 8"},
		{"has no label for", "semantic " + in + " -m " + mapper + " --palette " + filepath.Join(dir, "colours.txt")},
		{"nothing says which is which", "semantic " + in + " -m " + mapper},
		{"there is label", "semantic " + filepath.Join(dir, "mask.png") + " -m " + mapper},
		{"does not make pictures larger", "upscale " + in + " -m " + mapper},
		{"makes no pictures of maps", "semantic " + filepath.Join(dir, "map.png") + " -m " + enlarger},
		{"--consistency 2", "upscale " + in + " -m " + enlarger + " --consistency 2"},
		{"--passes 9", "upscale " + in + " -m " + enlarger + " --passes 9"},
		{"class \"cow\"", "sample -m " + classes + " --class cow"},
		{"wants --class", "sample -m " + classes},
		{"takes no texts", "img2img " + in + " -p x -m " + classes},
		{"cannot vary that", "txt2img x --grid threads=1,2"},
		{"--grid steps=0", "txt2img x --grid steps=5,0"},
		{"--grid sampler=bogus", "txt2img x --grid sampler=DDIM,bogus"},
		{"from where to where?", "interpolate x"},
		{"--frames 0", "interpolate x y --frames 0"},
		{"where to?", "outpaint " + in + " -p x"},
		{"--amount 2", "variations " + in + " -p x --amount 2"},
	} {
		err := ldmCommand(append(strings.Fields(c.args), "-o", out)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ldm %s: %v, want one line with %q", c.args, err, c.want)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused command wrote a file")
	}
}

// TestInterpolate: the ends are the pictures of their seeds, and what moves has all
// frames.
func TestInterpolate(t *testing.T) {
	if testing.Short() {
		t.Skip("draws many pictures")
	}
	dir := t.TempDir()
	way := append(quick("interpolate", "a cat face", "a dog face", "--frames", "2"), "--seeds", "3,4", "-o")
	way = slices.Clip(way)
	printed(t, append(way, filepath.Join(dir, "%d.png"))...)
	for name, args := range map[string][]string{"0.png": {"a cat face", "--seed", "3"}, "2.png": {"a dog face", "--seed", "4"}} {
		end := filepath.Join(dir, "end"+name)
		printed(t, append(quick(append([]string{"txt2img"}, args...)...), "-o", end)...)
		if !bytes.Equal(pixelsOf(t, filepath.Join(dir, name)), pixelsOf(t, end)) {
			t.Errorf("%s is not the picture of its seed", name)
		}
	}
	moving, still := filepath.Join(dir, "m.gif"), filepath.Join(dir, "m.png")
	printed(t, append(way, moving)...)
	printed(t, append(way, still, "--loop")...)
	f, err := os.Open(moving)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g, err := gif.DecodeAll(f); err != nil || len(g.Image) != 3 {
		t.Errorf("%d frames, %v", len(g.Image), err)
	}
	raw, err := os.ReadFile(still)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{moving, filepath.Join(dir, "1.png")} { // each says how it was made, and is made again by that
		again := filepath.Join(dir, "again"+filepath.Ext(path))
		if path != moving {
			again = filepath.Join(dir, "again%d.png")
		}
		printed(t, "interpolate", "--from-image", path, "-o", again)
		if again = strings.ReplaceAll(again, "%d", "1"); !bytes.Equal(pixelsOf(t, path), pixelsOf(t, again)) {
			t.Errorf("%s is not repeated", path)
		}
		if s, err := metadata.Read(path); err != nil || s.Program != "ldm" || !strings.Contains(s.Prompt, "a cat face\na dog face") || *s.Seed != 3 {
			t.Errorf("%s: %+v, %v", path, s, err)
		}
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil || bytes.Count(raw, []byte("fcTL")) != 4 || !bytes.Contains(raw, []byte("acTL\x00\x00\x00\x04")) {
		t.Errorf("%v, %d frames", err, bytes.Count(raw, []byte("fcTL")))
	}
}

// psnr compares two pictures, in decibels.
func psnr(t *testing.T, first, second string) float64 {
	t.Helper()
	a, b := pixelsOf(t, first), pixelsOf(t, second)
	sum := 0.
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/sum)
}

// TestVariations: without other noise the picture comes back as well as the first stage
// alone can do it.
func TestVariations(t *testing.T) {
	if testing.Short() {
		t.Skip("draws many pictures")
	}
	dir := t.TempDir()
	apple, back := filepath.Join(dir, "apple.png"), filepath.Join(dir, "back.png")
	printed(t, "txt2img", "a red apple", "--seed", "3", "--steps", "20", "-o", apple)
	printed(t, "variations", apple, "-p", "a red apple", "--steps", "20", "--amount", "0", "-o", back)
	var name string
	var alone float64 // what encoding and decoding do to it
	if _, err := fmt.Sscanf(printed(t, "reconstruct", apple), "%s PSNR %f dB", &name, &alone); err != nil {
		t.Fatal(err)
	}
	if got := psnr(t, apple, back); got < alone-1 || got < 28 {
		t.Errorf("there and back: %.2f dB, by the first stage alone %.2f", got, alone)
	}
	if err := ldmCommand("variations", apple, "-p", "x", "--sampler", "Euler", "-o", filepath.Join(dir, "x.png")); err == nil || !strings.Contains(err.Error(), "DDIM") {
		t.Errorf("another sampler: %v", err)
	}
}
