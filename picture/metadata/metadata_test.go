package metadata

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bytes"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
)

// show is what the common fields say, in a line.
func show(s Settings) string {
	begin := func(text string) string {
		r := []rune(text)
		return string(r[:min(len(r), 18)])
	}
	list := []string{s.Program, begin(s.Prompt), begin(s.Negative), fmt.Sprint(s.Steps), s.Sampler, s.Schedule, "-", "-",
		fmt.Sprintf("%dx%d", s.Width, s.Height), s.Model, begin(s.Hash), "-", fmt.Sprint(s.ClipSkip)}
	if s.Guidance != nil {
		list[6] = fmt.Sprint(*s.Guidance)
	}
	if s.Seed != nil {
		list[7] = fmt.Sprint(*s.Seed)
	}
	if s.Strength != nil {
		list[11] = fmt.Sprint(*s.Strength)
	}
	return strings.Join(list, "|")
}

const realFolder = "../../../shared/real/pictures"

// TestRealFiles: what published pictures say of themselves.
func TestRealFiles(t *testing.T) {
	if _, err := os.Stat(realFolder); err != nil {
		t.Skip(err)
	}
	for name, want := range map[string]string{
		"bad_images_text_after_idat.png":                  "A1111|photo of a duck|monochrome|15|UniPC||5|235284042|512x400|realistic_realisticVisionV20_v20|c0d1994c73|-|0",
		"parsers_AUTOMATIC1111_automatic1111_cropped.png": "A1111|photo of a duck|monochrome|15|UniPC||5|235284042|512x400|realistic_realisticVisionV20_v20|c0d1994c73|-|0",
		"parsers_AUTOMATIC1111_automatic1111_stealth.png": "A1111|a circle|a square|20|Euler||7|2015833630|64x64|realisticVisionV51_v51VAE|15012c538f|-|2",
		"png_sd-webui.png":                                "A1111|general, masterpie|bad quality, worst|20|DPM++ 2M|Karras|7|3782896554|1024x1024|waiIllustriousSDXL_v160|45a21ea00a|-|0",
		"jpg_sd-webui.jpg":                                "A1111|general, masterpie|bad quality, worst|20|DPM++ 2M|Karras|5.5|3623174757|1024x1024|waiIllustriousSDXL_v160|45a21ea00a|-|0",
		"webp_sd-webui.webp":                              "A1111|general, masterpie|bad quality, worst|20|DPM++ 2M|Karras|5.5|1028435836|1024x1024|waiIllustriousSDXL_v160|45a21ea00a|-|0",
		"webp_forge-classic.webp":                         "A1111|general, masterpie|bad quality, worst|20|DPM++ 2M|Karras|6|2630661657|1024x1024|waiIllustriousSDXL_v160|45a21ea00a|-|0",
		"sd.cpp_with_lcm.png":                             "stable-diffusion.cpp|a lovely cat<lora:||4|euler_a||1|42|512x512|v1-5-pruned-emaonly-ggml-model-f16.bin||-|0",
		"jpg_comfyui-saveimage-plus.jpg":                  "ComfyUI|general, masterpie|bad quality, worst|20|euler_ancestral|karras|5|577723948579568|1024x1024|waiIllustriousSDXL_v160.safetensors||-|2",
		"parsers_ComfyUI_img2img_cropped.png":             "ComfyUI|photograph of vict|watermark, text|20|sample_dpmpp_2m|normal|8|280823642470253|0x0|v1-5-pruned-emaonly.ckpt||0.8700000000000001|0",
		"parsers_Fooocus_fooocus1_cropped.png":            "Fooocus|a smiling goldfish||30|dpmpp_2m_sde_gpu|karras|4|6952411511246973023|768x1280|juggernautXL_v8Rundiffusion|aeb7e9e689|-|2",
		"parsers_InvokeAI_invokeai_sdmeta1.png":           "InvokeAI|professional full |rendering, glowing|50|k_lms||5|2980747362|512x768|deliberateForInvoke_v08|56d1442a0feefd6483|-|0",
		"parsers_NovelAI_novelai1_cropped.png":            "NovelAI|masterpiece, best |lowres, bad anatom|50|k_euler_ancestral||10|2253955223|0x0|Stable Diffusion 1D44365E||0.4|0",
		"png_novelai-curated.png":                         "NovelAI|1girl, solo, hatsu|blurry, lowres, up|23|k_euler_ancestral|karras|5|2156638429|1024x1024|NovelAI Diffusion V4.5 C02D4F98||-|0",
		"png_swarmui.png":                                 "SwarmUI|general, masterpie|bad quality, worst|20|euler_ancestral|karras|7|2083100758|1024x1024|waiIllustriousSDXL_v160||-|0",
	} {
		s, err := Read(filepath.Join(realFolder, name))
		if err != nil || show(s) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, show(s), want)
		}
	}
}

// TestRealTexts: every published text with settings gives those that it has.
func TestRealTexts(t *testing.T) {
	f, err := os.Open(filepath.Join(realFolder, "parameters.jsonl"))
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r struct{ Path, Key, Text string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		s := interpret([]Text{{r.Key, r.Text}})
		bare := r.Key == "fooocus_scheme" || r.Text == "" || strings.Contains(r.Text, "lazy") || strings.HasPrefix(r.Text, "!mask")
		if !bare && (s.Program == "" || s.Steps == 0 || s.Seed == nil || s.Width == 0) {
			t.Errorf("%s: %s in %.200s", r.Path, show(s), r.Text)
		}
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct{ key, text, want string }{
		{"parameters", "one\ntwo\nNegative prompt: three\nfour\nSteps: 5, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.5, Seed: 18446744073709551615, Size: 64x32, Denoising strength: 0.5, Clip skip: 2, Version: v1.9",
			"A1111|one\ntwo|three\nfour|5|Euler a||7.5|18446744073709551615|64x32|||0.5|2"},
		{"parameters", "Steps: many, a: b", "A1111|Steps: many, a: b||0|||-|-|0x0|||-|0"}, // two fields are a prompt
		{"parameters", "Steps: 5, Sampler: x, Seed: -1", "A1111|||5|x||-|-|0x0|||-|0"},
		{"parameters", `{"prompt":"one","num_inference_steps":7,"guidance_scale":2,"seed":3,"resolution":"64 x 32"}`, "unknown|one||7|||2|3|64x32|||-|0"},
		{"Dream", `"a cat [dog]" -s5 -S 6 -W64 -H 32 -C7.5 -A ddim -F -cf 0.5`, "InvokeAI|a cat|dog|5|ddim||7.5|6|64x32|||-|0"},
		{"prompt", `{"1":{"class_type":"KSampler","inputs":{"seed":["2",0],"steps":4,"cfg":1,"sampler_name":"lcm","scheduler":"sgm_uniform","denoise":1,"positive":["3",0],"negative":["1",0],"latent_image":["1",0],"model":["1",0]}},"2":{"class_type":"Primitive","inputs":{"value":9}},"3":{"class_type":"CLIPTextEncode","inputs":{"text":["4",0]}},"4":{"class_type":"String","inputs":{"string":"one"}}}`,
			"ComfyUI|one||4|lcm|sgm_uniform|1|9|0x0|||-|0"}, // with circles
		{"other", "text", "|||0|||-|-|0x0|||-|0"},
	} {
		if got := show(interpret([]Text{{c.key, c.text}})); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestParameters(t *testing.T) {
	p := Parameters{"a \"cat\", 猫\nin two lines", "dog", []Field{{"Steps", "20"}, {"Sampler", "DPM++ 2M"}, {"Hashes", `{"model": "x\y"}`}, {"Note", "a\nb <c>"}, {"Version", "ldm 1.0"}}}
	want := "a \"cat\", 猫\nin two lines\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M, Hashes: \"{\\\"model\\\": \\\"x\\\\y\\\"}\", Note: \"a\\nb <c>\", Version: ldm 1.0"
	if p.String() != want {
		t.Errorf("%s\nwant %s", p, want)
	}
	if got := ParseParameters(p.String()); !reflect.DeepEqual(got, p) {
		t.Errorf("%+v\nwant %+v", got, p)
	}
}

// TestWrite: what is written is read, in every format.
func TestWrite(t *testing.T) {
	p := Parameters{"a café, 猫", "", []Field{{"Steps", "20"}, {"Seed", "7"}, {"Size", "8x8"}, {"Version", "ldm 1.0"}}}
	notes, err := Notes(p, map[string]any{"prompt": "猫😀 <a>", "seed": 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []container.Format{container.PNG, container.JPEG, container.WebP} {
		raw, err := picture.Encode(image.NewGray(image.Rect(0, 0, 8, 8)), f, picture.Options{Notes: notes})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ReadBytes(raw)
		if err != nil || show(s) != "ldm|a café, 猫||20|||-|7|8x8|||-|0" {
			t.Errorf("%s: %v %s", f, err, show(s))
		}
		var own map[string]any
		if err := json.Unmarshal(s.Own, &own); err != nil || own["prompt"] != "猫😀 <a>" {
			t.Errorf("%s: %s", f, s.Own)
		}
	}
}

// TestStealth: a text in the lowest bits of the opacity, as A1111's extension
// and NovelAI write it.
func TestStealth(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	text := "one\nSteps: 5, Sampler: x, Seed: 3"
	data := append([]byte("stealth_pnginfo"), binary.BigEndian.AppendUint32(nil, uint32(8*len(text)))...)
	data = append(data, text...)
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for i := range 8 * len(data) {
		img.Pix[i%40*img.Stride+4*(i/40)+3] = 254 | data[i/8]>>(7-i%8)&1
	}
	var b bytes.Buffer
	png.Encode(&b, img)
	if s, err := ReadBytes(b.Bytes()); err != nil || s.Prompt != "one" || s.Steps != 5 {
		t.Errorf("%v %s", err, show(s))
	}
}

func TestNoSettings(t *testing.T) {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)))
	if s, err := ReadBytes(b.Bytes()); err != nil || s.Program != "" {
		t.Error(s, err)
	}
	path := filepath.Join(t.TempDir(), "x.png")
	os.WriteFile(path, []byte("text"), 0o666)
	if _, err := Read(path); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, format := range []container.Format{container.PNG, container.JPEG, container.WebP} {
		notes, _ := Notes(Parameters{"a", "b", []Field{{"Steps", "1"}, {"Seed", "2"}, {"Size", "1x1"}}}, map[string]any{"a": 1})
		raw, _ := picture.Encode(image.NewGray(image.Rect(0, 0, 8, 8)), format, picture.Options{Notes: notes})
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) { ReadBytes(raw) })
}

func FuzzText(f *testing.F) {
	f.Add("parameters", "one\nNegative prompt: two\nSteps: 5, Sampler: \"a\\\"b\", Seed: 3, SDCPP: {}")
	f.Add("prompt", `{"1":{"class_type":"KSampler","inputs":{"positive":["1",0],"latent_image":["1",0]}}}`)
	f.Add("sd-metadata", `{"images":[{"prompt":[{"prompt":"a [b]","weight":2}]}]}`)
	f.Add("Dream", `"a" -s5 -S`)
	f.Fuzz(func(t *testing.T, key, text string) {
		interpret([]Text{{key, text}, {"Software", "NovelAI"}, {"Comment", text}})
		interpret([]Text{{key, text}})
	})
}
