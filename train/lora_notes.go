package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/model"
)

// notes are the metadata of a LoRA in the words of kohya-ss' program, which others read
// to show how it was made. What depends on the time of day is left out: equal runs
// write equal files.
func (t *lowRank) notes(c LoRAConfig) (map[string]string, error) {
	set, l := t.train.Set, t.cfg.Train
	shown := 0
	tags := map[string]map[string]int{}
	folders := map[string]map[string]int{}
	for _, item := range set.Items {
		repeats := max(item.Repeats, 1)
		shown += repeats
		folder := filepath.Base(filepath.Dir(item.File))
		if tags[folder] == nil {
			tags[folder], folders[folder] = map[string]int{}, map[string]int{"n_repeats": repeats}
		}
		folders[folder]["img_count"]++
		for _, text := range item.Texts {
			for tag := range strings.SplitSeq(text, ",") {
				tags[folder][strings.TrimSpace(tag)]++
			}
		}
	}
	batches := max((shown+l.BatchSize-1)/l.BatchSize, 1)
	m := map[string]string{
		"ss_network_module": "networks.lora", "ss_network_dim": strconv.Itoa(t.factors.Rank), "ss_network_alpha": decimal(t.factors.Alpha),
		"ss_output_name": strings.TrimSuffix(LoRAFile, filepath.Ext(LoRAFile)), "ss_sd_model_name": filepath.Base(cmp.Or(c.Base, "emoji")),
		"ss_base_model_version": baseVersion(t.net), "ss_v2": "False", "ss_clip_skip": "None",
		"ss_learning_rate": decimal(float64(l.LearningRate)), "ss_unet_lr": decimal(float64(l.LearningRate)), "ss_text_encoder_lr": "None",
		"ss_optimizer":    fmt.Sprintf("torch.optim.adamw.AdamW(weight_decay=%s,betas=(%s, %s))", decimal(l.WeightDecay), decimal(l.Beta1), decimal(l.Beta2)),
		"ss_lr_scheduler": l.Schedule, "ss_lr_warmup_steps": strconv.Itoa(l.Warmup), "ss_max_grad_norm": decimal(l.Clip),
		"ss_max_train_steps": strconv.Itoa(l.Steps), "ss_num_train_images": strconv.Itoa(shown), "ss_num_reg_images": "0",
		"ss_num_batches_per_epoch": strconv.Itoa(batches), "ss_num_epochs": strconv.Itoa((l.Steps + batches - 1) / batches),
		"ss_batch_size_per_device": strconv.Itoa(l.BatchSize), "ss_total_batch_size": strconv.Itoa(l.BatchSize * l.Accumulate),
		"ss_gradient_accumulation_steps": strconv.Itoa(l.Accumulate), "ss_seed": strconv.FormatUint(l.Seed, 10),
		"ss_mixed_precision": map[engine.Precision]string{engine.F32: "no", engine.BF16: "bf16"}[l.Precision], "ss_full_fp16": "False",
		"ss_resolution": fmt.Sprintf("(%d, %d)", t.cfg.Data.Size, t.cfg.Data.Size), "ss_enable_bucket": boolean(c.Buckets > 1),
		"ss_flip_aug": boolean(t.cfg.Data.Flip), "ss_random_crop": boolean(t.cfg.Data.Crop == cropRandom), "ss_cache_latents": boolean(t.cfg.Data.Crop != cropRandom),
		"ss_caption_dropout_rate": decimal(c.Dropout), "ss_network_dropout": none(t.factors.Dropout), "ss_noise_offset": none(c.NoiseOffset),
		"ss_min_snr_gamma": none(c.MinSNR), "ss_prior_loss_weight": decimal(c.Prior.Weight),
		"modelspec.sai_model_spec": "1.0.0", "modelspec.architecture": architecture(t.net) + "/lora", "modelspec.title": "lora",
		"modelspec.resolution": fmt.Sprintf("%dx%d", t.cfg.Data.Size, t.cfg.Data.Size), "modelspec.prediction_type": t.predicts(),
		"modelspec.implementation": "https://github.com/ldm-go/ldm",
	}
	if c.Trigger != "" {
		m["modelspec.trigger_phrase"] = c.Trigger
	}
	if t.factors.TextEncoder {
		m["ss_text_encoder_lr"] = decimal(float64(l.LearningRate))
	}
	if t.prior.from != nil {
		m["ss_num_reg_images"] = strconv.Itoa(t.prior.from.feed.Set.Len())
	}
	args := map[string]string{}
	if t.factors.Targets == "convolutions" {
		args["conv_dim"], args["conv_alpha"] = strconv.Itoa(t.factors.ConvRank), decimal(t.factors.ConvAlpha)
	}
	extra := map[string]any{"ss_network_args": args, "ss_tag_frequency": tags, "ss_dataset_dirs": folders}
	for name, value := range extra {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		m[name] = string(text)
	}
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	return m, nil
}

// baseVersion and architecture name the base for other programs.
func baseVersion(net *model.Network) string {
	if net.CLIP == nil {
		return "ldm"
	}
	if net.UNet.ContextDim == 768 {
		return "sd_v1"
	}
	return "sd_v2"
}

func architecture(net *model.Network) string {
	return map[string]string{"ldm": "latent-diffusion", "sd_v1": "stable-diffusion-v1", "sd_v2": "stable-diffusion-v2-512"}[baseVersion(net)]
}

func (t *lowRank) predicts() string {
	switch t.net.Schedule.Parameterization.String() {
	case "v":
		return "v"
	case "x0":
		return "sample"
	}
	return "epsilon"
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// none is a number, or Python's None for 0.
func none(v float64) string {
	if v == 0 {
		return "None"
	}
	return decimal(v)
}

// boolean is Python's.
func boolean(v bool) string {
	if v {
		return "True"
	}
	return "False"
}
