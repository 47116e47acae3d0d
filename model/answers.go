package model

import (
	"math"

	"github.com/ldm-go/ldm/diffusion"
)

// LatentSide is the side of the latents of the pictures that the model was trained on;
// 0 where nothing says it. The YAML of Stable Diffusion v2 that predicts v has the
// image_size of the one that predicts noise, 64, though it was trained on pictures of
// 768 pixels.
func (n *Network) LatentSide() int {
	side := n.Params.ImageSize
	if n.CLIP != nil && n.CLIP.OpenCLIP && n.UNet.ContextDim == 1024 && n.Params.Parameterization == diffusion.V && side == 64 {
		return 96
	}
	return side
}

// LatentChannels is the number of channels that are diffused.
func (n *Network) LatentChannels() int { return n.UNet.OutChannels }

// ToldGuidance tells whether the scale of the guidance is something that the network
// is told, as consistency models are that were distilled from guided ones: it goes
// through the network once, under the condition alone.
func (n *Network) ToldGuidance() bool { return n.UNet.TimeCondProjDim > 0 }

// IsStudent tells whether the network is a consistency model, which few steps of LCM
// sample: one that is told its guidance, or one that has a fixed one in it.
func (n *Network) IsStudent() bool { return n.ToldGuidance() || n.Params.Consistency }

// TextLength is the number of tokens of a text; 0 where the model takes none.
func (n *Network) TextLength() int {
	switch {
	case n.Text != nil:
		return n.Text.MaxSeqLen
	case n.CLIP != nil:
		return n.CLIP.MaxLen
	}
	return 0
}

// Vocabulary is the number of tokens that the text encoder knows; 0 where the model
// takes none.
func (n *Network) Vocabulary() int {
	switch {
	case n.Text != nil:
		return n.Text.VocabSize
	case n.CLIP != nil:
		return n.CLIP.Vocab
	}
	return 0
}

// Classes is the number of classes that the model tells apart, an empty one
// among them; 0 where it takes none.
func (n *Network) Classes() int {
	switch {
	case n.Key == KeyADM:
		return n.UNet.NumClasses
	case n.Conditioner.Class != nil:
		return n.Conditioner.Class.NClasses
	}
	return 0
}

// TakesText tells whether the model is conditioned on texts, which a tokenizer
// takes apart.
func (n *Network) TakesText() bool {
	return n.CLIP != nil || n.Text != nil && (n.Text.UseTokenizer == nil || *n.Text.UseTokenizer)
}

// LatentFirst tells the order of what an inpainting model joins to the latent: the
// latent of the picture with a hole before the mask, as in the paper's model, or
// behind it, as in Stable Diffusion's where concat_keys do not say otherwise.
func (n *Network) LatentFirst() bool {
	return n.Key != KeyHybrid || len(n.Params.ConcatKeys) > 0 && n.Params.ConcatKeys[0] != maskKey
}

// LayoutTokens tells whether the tokens of the text encoder are those of a
// layout (token.Layout), not of a text.
func (n *Network) LayoutTokens() bool {
	return n.Conditioner.Text != nil && n.Params.CondStageKey == "coordinates_bbox"
}

// TakesPictures tells whether the model is conditioned on pictures: small ones,
// maps of labels, or ones to edit.
func (n *Network) TakesPictures() bool {
	switch n.Key {
	case KeyConcat:
		return n.Kind == RescaledMap || n.Kind == Itself || n.Kind == LatentOfItself && !n.Inpaints()
	case KeyHybrid:
		return n.Edits()
	}
	return false
}

// TakesVectors tells whether the model is conditioned on vectors as they are, by
// cross-attention: those of CLIP, in retrieval-augmented models.
func (n *Network) TakesVectors() bool { return n.Kind == Itself && n.Key == KeyCrossAttn }

// Inpaints tells whether the model joins the latent of a picture with a hole and
// the hole's mask to the latent, as the paper's inpainting model does, and Stable
// Diffusion's beside a text.
func (n *Network) Inpaints() bool {
	return (n.Key == KeyConcat && n.Kind == LatentOfItself || n.Key == KeyHybrid) && n.UNet.InChannels == 2*n.LatentChannels()+1
}

// Edits tells whether the model joins the latent of a picture that a text says how
// to change, as InstructPix2Pix does (Brooks et al., arXiv 2211.09800).
func (n *Network) Edits() bool {
	return n.Key == KeyHybrid && n.UNet.InChannels == 2*n.LatentChannels()
}

// ConditionSize is the size of the picture that conditions a picture of the given
// size in pixels.
func (n *Network) ConditionSize(width, height int) (w, h int) {
	switch f := n.FirstStage.Factor(); {
	case n.Rescaler != nil:
		grow := math.Pow(n.Rescaler.Multiplier, -float64(n.Rescaler.NStages))
		return int(math.Round(float64(width/f) * grow)), int(math.Round(float64(height/f) * grow))
	case n.Kind == Itself:
		return width / f, height / f
	}
	return width, height
}
