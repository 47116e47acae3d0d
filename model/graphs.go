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

// ConditionInput declares the input "condition" of a denoiser of n latents of
// height h and width w, in the shape in which the U-Net wants it: what is joined
// to the latent [n, h, w, C'], contexts [n, tokens, D], or labels int32 [n]. A
// hybrid has contexts, and a second input "joined" [n, h, w, C'].
func (n *Network) ConditionInput(g *graph.Graph, batch, h, w, tokens int) []graph.Value {
	joined := func(name string) graph.Value { return g.Input(name, batch, h, w, n.UNet.InChannels-n.LatentChannels()) }
	switch n.Key {
	case KeyConcat:
		return []graph.Value{joined("condition")}
	case KeyCrossAttn:
		return []graph.Value{g.Input("condition", batch, tokens, n.UNet.ContextDim)}
	case KeyHybrid:
		return []graph.Value{g.Input("condition", batch, tokens, n.UNet.ContextDim), joined("joined")}
	case KeyADM:
		return []graph.Value{g.IntInput("condition", batch)}
	}
	return nil
}

// Denoise adds the U-Net for latents x, timesteps t and the condition, which
// goes where the conditioning key says: one value, of a hybrid the context and
// what is joined, or none.
func (n *Network) Denoise(b nn.Builder, x, t graph.Value, condition ...graph.Value) graph.Value {
	in := unet.Inputs{X: x, T: t}
	if len(condition) == 0 {
		return n.UNet.Build(b.In(PrefixUNet), in)
	}
	switch n.Key {
	case KeyConcat:
		in.Concat = condition[0]
	case KeyADM:
		in.Y = condition[0]
	case KeyHybrid:
		if len(condition) < 2 {
			b.G.Fail("this model wants pictures joined to the latent, besides its context")
			return x
		}
		in.Context, in.Concat = condition[0], condition[1]
	default:
		in.Context = condition[0]
	}
	return n.UNet.Build(b.In(PrefixUNet), in)
}
