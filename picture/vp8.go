package picture

import "image"

// fromVP8 converts a VP8 frame to RGB. Its planes have the limited range of
// BT.601 (luma 16 to 235, chroma 16 to 240), unlike those of a JPEG, and chroma
// at half the size, which is interpolated as libwebp does: a pixel takes 9/16 of
// the nearest sample, 3/16 of the two beside it and 1/16 of the one across.
func fromVP8(src *image.YCbCr) *image.NRGBA {
	b := src.Rect
	w, h := b.Dx(), b.Dy()
	cw, ch := (w+1)/2, (h+1)/2
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	u, v := make([]int32, w), make([]int32, w)
	for y := range h {
		// The chroma row that covers this one, and its neighbour on the other side.
		near := y / 2
		far := near - 1 + 2*(y&1)
		if far < 0 || far >= ch {
			far = near
		}
		enlarge(u, src.Cb[near*src.CStride:][:cw], src.Cb[far*src.CStride:][:cw])
		enlarge(v, src.Cr[near*src.CStride:][:cw], src.Cr[far*src.CStride:][:cw])
		luma := src.Y[y*src.YStride:][:w]
		row := out.Pix[y*out.Stride:][:4*w]
		for x, l := range luma {
			p := row[4*x:][:4]
			p[0], p[1], p[2] = limitedToRGB(int32(l), u[x], v[x])
			p[3] = 255
		}
	}
	return out
}

// enlarge fills a row of pixels from the chroma row near it and the one farther
// away. The rounding in two steps is libwebp's.
func enlarge(dst []int32, near, far []byte) {
	n := len(dst)
	dst[0] = (3*int32(near[0]) + int32(far[0]) + 2) >> 2
	for i := 1; i < len(near); i++ {
		left, right := int32(near[i-1]), int32(near[i])
		farLeft, farRight := int32(far[i-1]), int32(far[i])
		sum := left + right + farLeft + farRight + 8
		dst[2*i-1] = ((sum+2*(right+farLeft))>>3 + left) >> 1
		if 2*i < n {
			dst[2*i] = ((sum+2*(left+farRight))>>3 + right) >> 1
		}
	}
	if n%2 == 0 {
		last := len(near) - 1
		dst[n-1] = (3*int32(near[last]) + int32(far[last]) + 2) >> 2
	}
}

// limitedToRGB is the inverse of BT.601 at limited range, in libwebp's fixed
// point: 1.164 (Y-16) + 1.596 V, - 0.391 U - 0.813 V, + 2.018 U around 128.
func limitedToRGB(y, u, v int32) (r, g, b byte) {
	l := y * 19077 >> 8
	return limit(l + v*26149>>8 - 14234), limit(l - u*6419>>8 - v*13320>>8 + 8708), limit(l + u*33050>>8 - 17685)
}

// limit takes 6 bits of fraction away.
func limit(v int32) byte { return byte(min(max(v>>6, 0), 255)) }
