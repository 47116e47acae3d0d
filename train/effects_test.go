package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// keysOf lists the YAML keys of a configuration's struct.
func keysOf(t reflect.Type, prefix string) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			keys = append(keys, keysOf(f.Type, prefix)...)
		case name == "" || name == "-":
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[config.Target]():
			keys = append(keys, keysOf(f.Type, prefix+name+".")...)
		default:
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

// effect shows that a key counts: with the context, the change is refused or
// leads to other results. Of elsewhere says where that is shown otherwise.
type effect struct {
	context   []string
	change    string
	refused   string
	elsewhere string
}

var timed = regexp.MustCompile(`  [0-9.e+-]+ s/step  .* left`)

// outcome is what a run leaves and says, apart from its name and time.
func outcome(t *testing.T, train func(run Run) error) (string, error) {
	t.Helper()
	dir := t.TempDir()
	h := sha256.New()
	run := Run{Dir: dir, Engine: cpu.New(cpu.Options{}), Line: func(l string) {
		fmt.Fprintln(h, timed.ReplaceAllString(strings.ReplaceAll(l, dir, ""), ""))
	}}
	if err := train(run); err != nil {
		return "", err
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		if err != nil || d.IsDir() || name == LogFile || name == MetricsFile || name == ConfigFile || name == lockFile || strings.HasPrefix(name, "events.") {
			return err
		}
		raw, err := os.ReadFile(path)
		if filepath.Ext(path) == ".safetensors" { // the metadata holds the configuration
			f := openFile(t, path)
			raw = nil
			for _, n := range f.Names() {
				v, err := f.Read(n)
				if err != nil {
					return err
				}
				raw = append(raw, n...)
				for _, x := range v.F32 {
					raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
				}
			}
		}
		h.Write(raw)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// walk checks every key of a list.
func walk(t *testing.T, keys []string, table map[string]effect, train func(run Run, overrides []string) error) {
	t.Helper()
	same := map[string]string{} // outcomes by context
	result := func(overrides []string) (string, error) {
		key := strings.Join(overrides, " ")
		if same[key] != "" {
			return same[key], nil
		}
		o, err := outcome(t, func(run Run) error { return train(run, overrides) })
		same[key] = o
		return o, err
	}
	listed := map[string]bool{}
	for _, key := range keys {
		listed[key] = true
		e, ok := table[key]
		if !ok {
			t.Errorf("%s: nothing shows that it counts", key)
			continue
		}
		if e.elsewhere != "" {
			continue
		}
		changed, err := result(append(append([]string(nil), e.context...), key+"="+e.change))
		if e.refused != "" || err != nil {
			if err == nil || e.refused == "" || !strings.Contains(err.Error(), e.refused) {
				t.Errorf("%s=%s: error %v, want one with %q", key, e.change, err, e.refused)
			}
			continue
		}
		before, err := result(e.context)
		if err != nil {
			t.Errorf("%s: without it: %v", key, err)
		} else if before == changed {
			t.Errorf("%s=%s is accepted and changes nothing", key, e.change)
		}
	}
	for key := range table {
		if !listed[key] {
			t.Errorf("%s is no key any more", key)
		}
	}
}

// wide writes pictures that are wider than high, so that crops differ.
func wide(t *testing.T, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 4 {
		img := image.NewRGBA(image.Rect(0, 0, 28, 16))
		s := tensor.NewStream(seed, uint64(i))
		for k := range img.Pix {
			img.Pix[k] = byte(s.IntN(256)) | byte(k%4/3*255)
		}
		if err := picture.Save(filepath.Join(dir, fmt.Sprintf("%d.png", i)), img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.txt", i)), fmt.Appendf(nil, "picture %d", i), 0o666)
	}
	return dir
}

const quick = "{steps: 1, batch_size: 2, warmup: 0, log_every: 1, validate_every: 1, sample_every: 1, save_every: 1, ema_decay: 0.5, learning_rate: 1.0e-3}"

// loopKeys are the effects of train's keys.
func loopKeys() map[string]effect {
	two := []string{"train.steps=2"}
	return map[string]effect{
		"train.learning_rate":  {change: "2.0e-3"},
		"train.weight_decay":   {change: "0.5"},
		"train.beta1":          {change: "0.1"},
		"train.beta2":          {change: "0.1"},
		"train.clip":           {change: "0.001", context: []string{"train.beta1=0.5"}},
		"train.steps":          {change: "2"},
		"train.batch_size":     {change: "1"},
		"train.accumulate":     {change: "2"},
		"train.parts":          {change: "2"},
		"train.schedule":       {change: "linear"},
		"train.scheduler":      {change: "{target: ldm.lr_scheduler.LambdaLinearScheduler, params: {warm_up_steps: [1], cycle_lengths: [10], f_start: [0.1], f_max: [0.5], f_min: [0.1]}}"},
		"train.warmup":         {change: "2"},
		"train.ema_decay":      {change: "0"},
		"train.seed":           {change: "4"},
		"train.precision":      {change: "bf16"},
		"train.threads":        {elsewhere: "the command's engine has so many; the bits are the same"},
		"train.max_memory":     {elsewhere: "TestMaxMemory; the bits are the same"},
		"train.log_every":      {change: "2", context: two},
		"train.validate_every": {change: "2", context: two},
		"train.sample_every":   {change: "2", context: two},
		"train.save_every":     {elsewhere: "TestKill"},
	}
}

// TestKeysOfFirstStages: every key of a first stage's configuration counts.
func TestKeysOfFirstStages(t *testing.T) {
	if testing.Short() {
		t.Skip("trains once for every key")
	}
	folder, other, base := wide(t, 1), wide(t, 2), t.TempDir()
	if err := trainAutoencoder(t, folder, base, "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, ModelFile)
	gan := []string{"loss.discriminator={weight: 1, channels: 8, layers: 1}"}
	judged := func(change string) effect { return effect{context: gan, change: change} }
	vq := []string{"model.target=ldm.models.autoencoder.VQModel", "model.params.n_embed=64", "model.params.ddconfig.double_z=false"}
	table := map[string]effect{
		"model":           {change: "{target: x}", refused: "model.target"},
		"init":            {change: file},
		"tune":            {context: []string{"init=" + file}, change: "decoder"},
		"buckets":         {change: "2"},
		"data.train":      {change: other},
		"data.validation": {change: other},
		"data.size":       {change: "8"},
		"data.flip":       {change: "false", context: []string{"train.batch_size=4"}},
		"data.crop":       {change: "random"},
		"data.zoom":       {context: []string{"data.crop=random", "data.size=8"}, change: "2"},
		"data.crops":      {context: []string{"data.crop=random"}, change: "1"},
		"loss.l1":         {change: "2"},
		"loss.l2":         {change: "1"},
		"loss.perceptual": {context: []string{"data.size=32"}, change: "1"},
		"loss.lpips":      {context: []string{"data.size=32", "loss.perceptual=1"}, change: "[missing.pth]", refused: "missing.pth"},
		"loss.kl":         {change: "0.1"},
		"loss.codebook":   {context: vq, change: "3"},
		"loss.sum":        {change: "true"},
		"loss.logvar":     {context: []string{"loss.sum=true"}, change: "0.5"},

		"loss.discriminator.weight":        judged("2"),
		"loss.discriminator.start":         judged("1"),
		"loss.discriminator.factor":        judged("0.5"),
		"loss.discriminator.loss":          judged("vanilla"),
		"loss.discriminator.channels":      judged("16"),
		"loss.discriminator.layers":        judged("2"),
		"loss.discriminator.actnorm":       judged("true"),
		"loss.discriminator.learning_rate": judged("0.1"),
		"loss.discriminator.weight_decay":  judged("0.5"),
		"loss.discriminator.beta1":         judged("0.1"),
		"loss.discriminator.beta2":         judged("0.1"),
		"loss.discriminator.clip":          judged("0.001"),

		"codebook.start":         {context: vq, change: "uniform"},
		"codebook.restart_every": {context: vq, change: "1"},
	}
	for key, e := range loopKeys() {
		table[key] = e
	}
	walk(t, keysOf(reflect.TypeFor[AutoencoderConfig](), ""), table, func(run Run, overrides []string) error {
		cfg := DefaultAutoencoder()
		all := append([]string{"train=" + quick, "data.train=" + folder, "data.validation=" + folder}, overrides...)
		if err := config.Parse(&cfg, "tiny", []byte(tinyAutoencoder), all); err != nil {
			return err
		}
		return Autoencoder(t.Context(), cfg, run)
	})
}

// TestKeysOfSecondStages: every key of a second stage's configuration counts, and
// of the model's parameters those of training.
func TestKeysOfSecondStages(t *testing.T) {
	if testing.Short() {
		t.Skip("trains once for every key")
	}
	folder, other, runs := wide(t, 1), wide(t, 2), t.TempDir()
	stages := map[string]string{}
	for name, more := range map[string]string{"a": "train.seed=1", "b": "train.seed=2"} {
		if err := trainAutoencoder(t, folder, filepath.Join(runs, name), "train.steps=1", more); err != nil {
			t.Fatal(err)
		}
		stages[name] = filepath.Join(runs, name, ModelFile)
	}
	trained := filepath.Join(runs, "trained")
	if err := trainDiffusion(t, trained, "first_stage="+stages["a"], "data.train="+folder, "train.steps=1", "train.seed=9", "train.sample_every=9"); err != nil {
		t.Fatal(err)
	}
	trained = filepath.Join(trained, ModelFile)
	const unet, params = "model.params.unet_config.params.", "model.params."
	plain := []string{params + "conditioning_key=concat", unet + "use_spatial_transformer=false", unet + "context_dim=0", unet + "in_channels=5"}
	table := map[string]effect{
		"model":           {change: "{target: x}", refused: "model.target"},
		"first_stage":     {change: stages["b"]},
		"conditioner":     {change: trained},
		"init":            {change: trained},
		"vocabulary":      {change: "bert"},
		"data.train":      {change: other},
		"data.validation": {change: other},
		"data.size":       {change: "32", refused: "image_size"},
		"data.flip":       {change: "false", context: []string{"train.batch_size=4"}},
		"data.crop":       {change: "random"},
		"data.zoom":       {elsewhere: "TestKeysOfFirstStages"},
		"data.crops":      {context: []string{"data.crop=random"}, change: "1"},
		"buckets":         {change: "2"},
		"dropout":         {change: "1", context: []string{"train.steps=2"}},
		"min_snr_gamma":   {change: "1"},
		"noise_offset":    {change: "0.5"},
		"huber_delta":     {context: []string{params + "loss_type=huber"}, change: "0.01"},
		"masks":           {context: append([]string{params + "cond_stage_config=__is_first_stage__"}, plain...), change: "[box]"},
		"degradation":     {context: append([]string{params + "cond_stage_config={target: torch.nn.Identity}"}, plain...), change: "bsr"},
		"cache_mb":        {elsewhere: "TestLatentsOnDisk; the bits are the same"},
		"trigger":         {change: "zog"},
		"prior.prompt":    {change: "a number", refused: "want prior.folder"},
		"prior.folder":    {change: other, context: []string{"train.steps=2"}},
		"prior.count":     {elsewhere: "TestFineTune"},
		"prior.weight":    {change: "0.1", context: []string{"train.steps=2", "prior.folder=" + other}},
		"samples.prompts": {change: "[another]"},
		"samples.steps":   {change: "3"},
		"samples.scale":   {change: "3", context: []string{"train.steps=3", "train.learning_rate=0.1"}},
	}
	for key := range loopKeys() {
		table[key] = effect{elsewhere: "TestKeysOfFirstStages"}
	}
	for _, key := range keysOf(reflect.TypeFor[model.Params](), "") {
		if e, ok := paramEffects[key]; ok {
			table[params+key] = e
		}
	}
	keys := append(keysOf(reflect.TypeFor[DiffusionConfig](), ""), keysOf(reflect.TypeFor[model.Params](), params)...)
	walk(t, keys, table, func(run Run, overrides []string) error {
		cfg := DefaultDiffusion()
		all := append([]string{"train=" + quick, "train.ema_decay=0.5", "first_stage=" + stages["a"], "data.train=" + folder, "data.validation=" + folder, "samples.prompts=[picture 1]"}, overrides...)
		if err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), all); err != nil {
			return err
		}
		return Diffusion(t.Context(), cfg, run)
	})
}

// paramEffects are the effects of a LatentDiffusion's parameters on its training.
var paramEffects = map[string]effect{
	"timesteps":              {change: "500"},
	"beta_schedule":          {change: "cosine"},
	"linear_start":           {change: "0.001"},
	"linear_end":             {change: "0.01"},
	"cosine_s":               {context: []string{"model.params.beta_schedule=cosine"}, change: "0.1"},
	"given_betas":            {change: "[0.1, 0.2, 0.3, 0.4]"},
	"v_posterior":            {elsewhere: "DDPM's sampler, and the weights of the variational bound"},
	"rescale_betas_zero_snr": {context: []string{"model.params.parameterization=v"}, change: "true"},
	"parameterization":       {change: "x0"},
	"loss_type":              {change: "l1"},
	"original_elbo_weight":   {change: "1"},
	"l_simple_weight":        {change: "0.5"},
	"learn_logvar":           {change: "true"},
	"logvar_init":            {change: "0.5"},
	"scale_factor":           {context: []string{"model.params.scale_by_std=false"}, change: "3"},
	"scale_by_std":           {change: "false"},
	"consistency":            {change: "true"},
	"concat_mode":            {context: []string{"model.params.conditioning_key=crossattn"}, elsewhere: "model: where conditioning_key is silent"},
	"conditioning_key":       {change: "concat", refused: "in_channels"},
	"cond_stage_key":         {change: "coordinates_bbox", refused: "boxes"},
	"cond_stage_trainable":   {change: "false"},
	"cond_stage_forward":     {change: "x", refused: "cond_stage_forward"},
	"first_stage_key":        {change: "x", refused: "first_stage_key"},
	"image_size":             {change: "4", refused: "image_size"},
	"channels":               {change: "4", refused: "channels"},
	"num_timesteps_cond":     {change: "2", refused: "num_timesteps_cond"},
	"log_every_t":            {elsewhere: "of the reference's pictures in logs alone; no result depends on it"},
	"monitor":                {elsewhere: "which of its checkpoints the reference keeps; here it is the last"},
	"use_ema":                {change: "false"},
	"scheduler_config":       {change: "{target: ldm.lr_scheduler.LambdaLinearScheduler, params: {warm_up_steps: [1], cycle_lengths: [10], f_start: [0.1], f_max: [0.5], f_min: [0.1]}}"},
	"concat_keys":            {elsewhere: "names in the reference's batches; which pictures are joined follows from in_channels"},
	"masked_image_key":       {elsewhere: "a name in the reference's batches"},
	"unet_config":            {change: "{target: x}", refused: "unknown target"},
	"first_stage_config":     {elsewhere: "first_stage names the file"},
	"cond_stage_config":      {change: "__is_unconditional__"},
}
