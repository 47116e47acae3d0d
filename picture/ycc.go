package picture

import "image"

// fromYCbCr converts a JPEG's planes to RGB. Chroma at half the size is
// interpolated as libjpeg does (3/4 of the nearer sample, 1/4 of the other, each
// way), where the library would repeat it; with other proportions there is nil.
func fromYCbCr(src *image.YCbCr) *image.NRGBA {
	b := src.Rect
	w, h := b.Dx(), b.Dy()
	var across, down bool
	switch src.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
	case image.YCbCrSubsampleRatio422:
		across = true
	case image.YCbCrSubsampleRatio420:
		across, down = true, true
	case image.YCbCrSubsampleRatio440:
		down = true
	default:
		return nil
	}
	if b.Min != (image.Point{}) || across && (w+1)/2 <= 2 {
		return nil
	}
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	cw, ch := w, h
	if across {
		cw = (w + 1) / 2
	}
	if down {
		ch = (h + 1) / 2
	}
	cb, cr, sums := make([]int32, w+1), make([]int32, w+1), make([]int32, cw)
	for y := range h {
		near, far := y, y
		if down {
			near = y / 2
			far = min(max(near-1+2*(y&1), 0), ch-1)
		}
		for _, c := range []struct {
			dst   []int32
			plane []byte
		}{{cb, src.Cb}, {cr, src.Cr}} {
			chromaRow(c.dst, sums, c.plane[near*src.CStride:], c.plane[far*src.CStride:], across, down, y&1)
		}
		luma := src.Y[y*src.YStride:][:w]
		row := out.Pix[y*out.Stride:][:4*w]
		for x, l := range luma {
			p := row[4*x:][:4]
			p[0], p[1], p[2] = fullToRGB(int32(l), cb[x]-128, cr[x]-128)
			p[3] = 255
		}
	}
	return out
}

// chromaRow fills a row of pixels from the chroma row near it and the one on its
// other side. What is added before halves are cut off alternates, as in libjpeg,
// so that they go up as often as down.
func chromaRow(dst, sums []int32, near, far []byte, across, down bool, odd int) {
	scale, shift := int32(1), 0
	for i := range sums {
		sums[i] = int32(near[i])
		if down {
			sums[i] = 3*int32(near[i]) + int32(far[i])
			scale, shift = 4, 2
		}
	}
	if !across {
		bias := int32(0)
		if down {
			bias = int32(1 + odd)
		}
		for i, s := range sums {
			dst[i] = (s + bias) >> shift
		}
		return
	}
	even, next := 2*scale, 2*scale-1 // 8 and 7 of 16
	if !down {
		even, next = 1, 2
	}
	shift += 2
	last := len(sums) - 1
	for i, s := range sums {
		left, right := s, s
		if i > 0 {
			left = sums[i-1]
		}
		if i < last {
			right = sums[i+1]
		}
		dst[2*i] = (3*s + left + even) >> shift
		dst[2*i+1] = (3*s + right + next) >> shift
	}
}

// fullToRGB is the inverse of BT.601 at full range, as JFIF has it, with 16 bits
// of fraction.
func fullToRGB(y, cb, cr int32) (r, g, b byte) {
	const half = 1 << 15
	return limit8(y + (91881*cr+half)>>16), limit8(y + (-22554*cb-46802*cr+half)>>16), limit8(y + (116130*cb+half)>>16)
}

func limit8(v int32) byte { return byte(min(max(v, 0), 255)) }
