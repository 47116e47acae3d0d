package recognise

import (
	"fmt"
	"math/bits"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// bertVocabulary is the size of the one vocabulary that the reference has words for.
const bertVocabulary = 30522

// condition is what a model is conditioned on.
type condition struct {
	target    string // or config.FirstStageAsCond or config.Unconditional
	params    map[string]any
	key       string // the conditioning key
	dataKey   string // the name of the condition in a batch
	width     int    // of the context, 0 where unknown
	trainable bool
	model     string // the target of the diffusion model
	joined    []string
	assumed   []string
}

// readConditioner infers the conditioner of a U-Net, present where the file has
// weights of one, and how its result reaches the U-Net.
func readConditioner(r *reader, present bool, u unet.Config, factor int) (c condition, err error) {
	c, err = conditionOf(r, present, u, factor)
	if err != nil {
		return c, err
	}
	c.model = config.TargetLatentDiffusion
	wider := u.InChannels > u.OutChannels
	switch {
	case u.InChannels < u.OutChannels:
		return c, fmt.Errorf("the U-Net takes %d channels and gives %d", u.InChannels, u.OutChannels)
	case u.UseSpatialTransformer && wider && isCLIP(c.target):
		return c, c.hybrid(u)
	case u.UseSpatialTransformer && wider:
		return c, fault.Unsupportedf("looks like a model with both channels joined to the latent (%d to %d) and cross-attention, which is not supported", u.InChannels, u.OutChannels)
	case u.NumClasses > 0 && (wider || present || u.UseSpatialTransformer):
		return c, fmt.Errorf("looks like a model with labels (label_emb) and another condition, which is not supported")
	case c.width > 0 && !u.UseSpatialTransformer:
		return c, fmt.Errorf("has %s, but no cross-attention", c.target)
	case c.width > 0 && c.width != u.ContextDim:
		return c, fmt.Errorf("cross-attention to %d channels, but %s gives %d", u.ContextDim, c.target, c.width)
	case u.UseSpatialTransformer:
		c.key = "crossattn"
	case wider:
		c.key = "concat"
	case u.NumClasses > 0:
		c.key = "adm"
	}
	if (c.target == config.TargetSpatialRescaler || c.target == config.FirstStageAsCond) && c.key != "concat" {
		return c, fmt.Errorf("has a conditioner %s, but the U-Net takes no more channels than it gives", c.target)
	}
	return c, nil
}

// hybrid tells apart what is joined to the latent beside a text: of inpainting a
// mask and a masked picture, of editing the picture.
func (c *condition) hybrid(u unet.Config) error {
	c.key = "hybrid"
	switch u.InChannels - u.OutChannels {
	case u.OutChannels + 1:
		c.model, c.joined = config.TargetLatentInpaint, []string{"mask", "masked_image"}
		c.assumed = append(c.assumed, "what is joined to the latent: the mask and the masked picture's latent, as in Stable Diffusion's inpainting (concat_keys)")
	case u.OutChannels:
		c.model = config.TargetLatentEdit
		c.assumed = append(c.assumed, "what is joined to the latent: the latent of the picture to edit, as in instruct-pix2pix")
	default:
		return fault.Unsupportedf("looks like a model with %d channels joined to a latent of %d, and with cross-attention, which is not supported", u.InChannels-u.OutChannels, u.OutChannels)
	}
	return nil
}

func conditionOf(r *reader, present bool, u unet.Config, factor int) (condition, error) {
	switch {
	case r.has("transformer.text_model.embeddings.token_embedding.weight"):
		return readCLIP(r)
	case r.has("model.token_embedding.weight"):
		return readOpenCLIP(r)
	case r.has("transformer.token_emb.weight"):
		return readBERT(r)
	case r.has("embedding.weight"):
		table := r.shape("embedding.weight", 2)
		return condition{target: config.TargetClassEmbedder, dataKey: "class_label", width: table[1], trainable: true,
			params: map[string]any{"n_classes": table[0], "embed_dim": table[1], "key": "class_label"}}, r.err
	case r.has("channel_mapper.weight"):
		return readRescaler(r, u, factor)
	case r.has("encoder.conv_in.weight"):
		return condition{target: config.FirstStageAsCond, dataKey: "masked_image"}, r.err
	case present:
		return condition{}, fmt.Errorf("has a conditioner (%s*) that is not known", r.prefix)
	}
	return withoutWeights(u), nil
}

// withoutWeights is the condition of a model whose file has no conditioner.
func withoutWeights(u unet.Config) condition {
	identity := condition{target: config.TargetIdentity}
	switch extra := u.InChannels - u.OutChannels; {
	case u.UseSpatialTransformer:
		identity.dataKey = "nix"
		identity.assumed = []string{"the file has no conditioner: the context comes from outside, as in retrieval-augmented models, which take --clip and --database (cond_stage_config)"}
	case extra == u.OutChannels+1:
		// A picture's latent and a mask; files without duplicates hold the first stage once.
		return condition{target: config.FirstStageAsCond, dataKey: "masked_image",
			assumed: []string{"what is joined to the latent: a masked picture's latent and the mask (cond_stage_config)"}}
	case extra > 0:
		identity.dataKey = "LR_image"
		identity.assumed = []string{"what is joined to the latent: a picture of the latent's size, as in super-resolution (cond_stage_config)"}
	case u.NumClasses > 0:
		identity.dataKey = "class_label"
	default:
		return condition{target: config.Unconditional}
	}
	return identity
}

// isCLIP tells whether a target is a text tower of CLIP.
func isCLIP(target string) bool {
	return target == config.TargetFrozenCLIP || target == config.TargetFrozenOpenCLIP || target == config.TargetCLIPTextModel
}

// readCLIP infers a text tower in the naming of Hugging Face: the published ViT-L/14,
// or another one.
func readCLIP(r *reader) (condition, error) {
	const root = "transformer.text_model."
	table, positions := r.shape(root+"embeddings.token_embedding.weight", 2), r.shape(root+"embeddings.position_embedding.weight", 2)
	n := r.count(root+"encoder.layers.%d.layer_norm1.weight", maxLayers)
	inner := r.shape(root+"encoder.layers.0.mlp.fc1.weight", 2)[0]
	c := condition{target: config.TargetFrozenCLIP, dataKey: "txt", width: table[1]}
	tower := conditioner.ViTL14
	if published := tower; table[0] != published.Vocab || table[1] != published.Width || n != published.Layers || positions[0] != published.MaxLen || inner != 4*published.Width {
		arguments := conditioner.CLIPTextModel{Width: table[1], Inner: inner, Layers: n, Heads: max(table[1]/64, 1), Vocab: table[0], Positions: positions[0]}
		c.target = config.TargetCLIPTextModel
		c.params = map[string]any{
			"hidden_size": table[1], "intermediate_size": inner, "num_hidden_layers": n, "num_attention_heads": arguments.Heads, "vocab_size": table[0],
			"max_position_embeddings": positions[0], "hidden_act": "gelu", "pad_token": 0,
		}
		c.assumed = append(c.assumed, "a text encoder of OpenCLIP: heads of 64 channels, GELU, texts filled up with token 0 (num_attention_heads, hidden_act, pad_token)")
		var err error
		if tower, err = arguments.Tower(); err != nil {
			r.fail("looks like a CLIP text encoder, but: %w", err)
		}
	}
	return c, r.exactTower(tower)
}

// readOpenCLIP infers a text tower in the naming of OpenCLIP. Its last layer is left
// out, as in Stable Diffusion v2; files that came by way of diffusers lack it.
func readOpenCLIP(r *reader) (condition, error) {
	table := r.shape("model.token_embedding.weight", 2)
	const layers = "model.transformer.resblocks.%d.ln_1.weight"
	arguments := conditioner.FrozenOpenCLIP{Width: table[1], Heads: max(table[1]/64, 1), Layers: r.count(layers, maxLayers), Vocab: table[0], Layer: "penultimate"}
	c := condition{target: config.TargetFrozenOpenCLIP, dataKey: "txt", width: table[1], params: map[string]any{"freeze": true, "layer": "penultimate"}}
	const width, whole, vocabulary = 1024, 24, 49408 // of ViT-H/14, which needs no arguments
	switch {
	case table[1] == width && arguments.Layers == whole-1 || arguments.Layers == 1:
		arguments.Layer = "last"
		c.params["layer"] = "last"
		c.assumed = append(c.assumed, "the last layer of the text encoder that the file has (layer: last)")
	default:
		c.assumed = append(c.assumed, "the text encoder's layer before the last (layer: penultimate)")
	}
	if table[1] != width || arguments.Layers != whole || table[0] != vocabulary {
		c.params["width"], c.params["heads"], c.params["layers"], c.params["vocab_size"] = table[1], arguments.Heads, arguments.Layers, table[0]
	}
	tower, err := arguments.Tower()
	if err != nil {
		r.fail("looks like an OpenCLIP text encoder, but: %w", err)
	}
	return c, r.exactTower(tower)
}

// exactTower compares a text tower with the file's.
func (r *reader) exactTower(tower conditioner.CLIP) error {
	if r.err != nil {
		return r.err
	}
	g := graph.New()
	tower.Build(nn.NewBuilder(g).In("cond_stage_model"), g.IntInput("tokens", 1, 1))
	return exact(g, r.prefix, nil, nil, r.shapes)
}

// readBERT infers the paper's text transformer.
func readBERT(r *reader) (condition, error) {
	const layers = "transformer.attn_layers.layers."
	tokens, positions := r.shape("transformer.token_emb.weight", 2), r.shape("transformer.pos_emb.emb.weight", 2)
	n := conditioner.Transformer{NEmbed: tokens[1], VocabSize: tokens[0], MaxSeqLen: positions[0]}.WithDefaults()
	for r.has(fmt.Sprintf(layers+"%d.1.to_q.weight", 2*n.NLayer)) && n.NLayer <= maxLayers {
		n.NLayer++
	}
	if n.NLayer < 1 || n.NLayer > maxLayers || r.has(fmt.Sprintf(layers+"%d.0.weight", 2*n.NLayer)) {
		r.fail("%s%s*: %d layers of attention and feed-forward", r.prefix, layers, n.NLayer)
	}
	inner := r.shape(layers+"0.1.to_q.weight", 2)[0]
	n.Heads = r.ratio(layers+"0.1.to_q", inner, n.HeadDim)
	c := condition{target: config.TargetTransformer, dataKey: "caption", width: n.NEmbed, trainable: true}
	c.params = map[string]any{"n_embed": n.NEmbed, "n_layer": n.NLayer, "vocab_size": n.VocabSize, "max_seq_len": n.MaxSeqLen}
	if n.VocabSize != bertVocabulary {
		c.params["use_tokenizer"], c.dataKey = false, "coordinates_bbox"
		c.assumed = append(c.assumed, fmt.Sprintf("a vocabulary of %d tokens, not of words (use_tokenizer)", n.VocabSize))
	}
	if defaults := (conditioner.Transformer{}).WithDefaults(); n.Heads != defaults.Heads {
		c.params["heads"] = n.Heads
	}
	c.assumed = append(c.assumed, fmt.Sprintf("%d attention heads of %d channels in the text encoder (heads, dim_head)", n.Heads, n.HeadDim))
	if r.err != nil {
		return c, r.err
	}
	g := graph.New()
	n.Build(nn.NewBuilder(g).In("cond_stage_model"), g.IntInput("tokens", 1, n.MaxSeqLen))
	return c, exact(g, r.prefix, nil, nil, r.shapes)
}

// readRescaler infers how label maps shrink: to the size of the latent.
func readRescaler(r *reader, u unet.Config, factor int) (condition, error) {
	w := r.shape("channel_mapper.weight", 4)
	stages := bits.Len(uint(factor)) - 1
	if w[0] != u.InChannels-u.OutChannels || w[2] != 1 || w[3] != 1 {
		r.fail("%schannel_mapper.weight has shape %v, but the U-Net takes %d channels beside the latent's", r.prefix, w, u.InChannels-u.OutChannels)
	}
	params := map[string]any{"n_stages": stages, "in_channels": w[1], "out_channels": w[0]}
	if r.has("channel_mapper.bias") {
		if b := r.shape("channel_mapper.bias", 1); b[0] != w[0] {
			r.fail("%schannel_mapper.bias has shape %v", r.prefix, b)
		}
		params["bias"] = true
	}
	return condition{target: config.TargetSpatialRescaler, params: params, dataKey: "segmentation", trainable: true,
		assumed: []string{fmt.Sprintf("the condition shrinks %d times by ½, to the latent's size, bilinearly (n_stages, multiplier, method)", stages)}}, r.err
}

// fill sets the conditioner among the arguments of the diffusion model.
func (c condition) fill(params map[string]any) {
	params["cond_stage_trainable"] = c.trainable
	if c.key != "" {
		params["conditioning_key"] = c.key
	}
	if len(c.joined) > 0 {
		params["concat_keys"] = c.joined
	}
	if c.dataKey != "" {
		params["cond_stage_key"] = c.dataKey
	}
	if c.target == config.Unconditional || c.target == config.FirstStageAsCond {
		params["cond_stage_config"] = c.target
		return
	}
	params["cond_stage_config"] = nested(config.Target{Target: c.target, Params: c.params})
}
