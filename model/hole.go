package model

// What an inpainting model is told (section 4.5): the picture with a hole, encoded,
// and the hole, shrunk to the latent's size by taking the nearest pixel. The paper's
// model has the latent first, a black hole and ±1 in the mask; Stable Diffusion's the
// mask first, a grey hole, 0 and 1 in the mask, and the latent scaled as the one that
// is diffused.

// CutHole paints a hole [H, W], 1 in it and 0 elsewhere, into a picture x [H, W, C] in
// [-1, 1], as the model wants it to be encoded.
func (n *Network) CutHole(x, hole []float32) {
	ground := float32(-1)
	if n.Key == KeyHybrid {
		ground = 0
	}
	channels := len(x) / len(hole)
	for i, v := range x {
		x[i] = (1-hole[i/channels])*(v-ground) + ground
	}
}

// JoinHole writes to dst [h, w, D+1] what is joined to the latent that is diffused:
// the latent z [h, w, D] of the picture with a hole, and the hole [f·h, f·w].
func (n *Network) JoinHole(dst, z, hole []float32, h, w int) {
	f, d := n.FirstStage.Factor(), n.LatentChannels()
	scale := float32(1)
	if n.Key == KeyHybrid {
		scale = n.ScaleFactor
	}
	for i := range h * w {
		m := hole[(i/w*f*w+i%w)*f]
		cell, latent := dst[i*(d+1):][:d+1], z[i*d:][:d]
		if n.LatentFirst() {
			copy(cell, latent)
			cell[d] = 2*m - 1
			continue
		}
		cell[0] = m
		for k, v := range latent {
			cell[k+1] = scale * v
		}
	}
}
