package model

import (
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// ClipSkip is the network whose conditions come out of another layer of CLIP's text
// encoder, counted from the end: 1 is the last one; 0: the network as it is.
func (n *Network) ClipSkip(layer int) *Network {
	if layer == 0 || n.CLIP == nil {
		return n
	}
	other, tower := *n, *n.CLIP
	tower.Skip = layer - 1
	other.CLIP = &tower
	return &other
}

// Condition adds the conditioner to a graph: its input is "tokens" [batch,
// length] or "labels" [batch]. There is none for an unconditional model.
func (n *Network) Condition(b nn.Builder, batch, length int) graph.Value {
	b = b.In(PrefixConditioner)
	switch {
	case n.Text != nil:
		return n.Text.Build(b, b.G.IntInput("tokens", batch, length))
	case n.CLIP != nil:
		return n.CLIP.Build(b, b.G.IntInput("tokens", batch, length))
	case n.Class != nil:
		return n.Class.Build(b, b.G.IntInput("labels", batch))
	}
	return graph.Value{}
}

// ConditionEmbedded is Condition of CLIP for texts whose tokens' vectors are the
// input "embedded" [batch, length, width].
func (n *Network) ConditionEmbedded(b nn.Builder, batch, length int) graph.Value {
	return n.CLIP.BuildEmbedded(b.In(PrefixConditioner), b.G.Input("embedded", batch, length, n.CLIP.Width))
}

// ConditionPicture adds the conditioner for a picture x [N, H, W, C]: what is
// joined to the latent.
func (n *Network) ConditionPicture(b nn.Builder, x graph.Value) graph.Value {
	switch {
	case n.Rescaler != nil:
		return n.Rescaler.Build(b.In(PrefixConditioner), x)
	case n.Kind == Itself:
		return x
	case n.Kind == LatentOfItself || n.Key == KeyHybrid:
		z := n.FirstStage.Encode(b.In(PrefixFirstStage), x)
		if n.FirstStage.Kind == autoencoder.KL {
			z = autoencoder.NewGaussian(b.G, z).Mean
		}
		return z
	}
	b.G.Fail("this model is not conditioned on pictures")
	return x
}

// PictureChannels are those of the pictures that condition the model.
func (n *Network) PictureChannels() int {
	switch {
	case n.Rescaler != nil:
		return n.Rescaler.InChannels
	case n.Kind == Itself:
		return n.UNet.InChannels - n.LatentChannels()
	}
	return n.FirstStage.PictureChannels()
}

// DenoiserInputs declares what a denoiser of a batch of latents of height h and width
// w reads: "x" [batch, h, w, C], the timesteps "t" [batch], and "condition" in the
// shape in which the U-Net wants it: what is joined to the latent [batch, h, w, C'],
// contexts [batch, tokens, D], or labels int32 [batch]. A hybrid has contexts, and
// "joined" [batch, h, w, C'] too; a student has "guidance" [batch, D'] too, each row
// of unet.GuidanceEmbedding.
func (n *Network) DenoiserInputs(g *graph.Graph, batch, h, w, tokens int) unet.Inputs {
	in := unet.Inputs{X: g.Input("x", batch, h, w, n.LatentChannels()), T: g.Input("t", batch)}
	if n.ToldGuidance() {
		in.Guidance = g.Input("guidance", batch, n.UNet.TimeCondProjDim)
	}
	joined := func(name string) graph.Value {
		return g.Input(name, batch, h, w, n.UNet.InChannels-n.LatentChannels())
	}
	switch n.Key {
	case KeyConcat:
		in.Concat = joined("condition")
	case KeyCrossAttn:
		in.Context = g.Input("condition", batch, tokens, n.UNet.ContextDim)
	case KeyHybrid:
		in.Context, in.Concat = g.Input("condition", batch, tokens, n.UNet.ContextDim), joined("joined")
	case KeyADM:
		in.Y = g.IntInput("condition", batch)
	}
	return in
}

// Place puts a condition where the conditioning key says: one value, of a hybrid the
// context and what is joined, or none.
func (n *Network) Place(in unet.Inputs, condition ...graph.Value) unet.Inputs {
	switch {
	case len(condition) == 0:
	case n.Key == KeyConcat:
		in.Concat = condition[0]
	case n.Key == KeyADM:
		in.Y = condition[0]
	case n.Key == KeyHybrid && len(condition) > 1:
		in.Context, in.Concat = condition[0], condition[1]
	default:
		in.Context = condition[0]
	}
	return in
}

// Denoise adds the U-Net.
func (n *Network) Denoise(b nn.Builder, in unet.Inputs) graph.Value {
	if n.Key == KeyHybrid && !in.Concat.Valid() {
		b.G.Fail("this model wants pictures joined to the latent, besides its context")
		return in.X
	}
	return n.UNet.Build(b.In(PrefixUNet), in)
}
