package kernels

import "unsafe"

// PixelPairsArgs describes elements of neighbouring pairs of pixels of a row, as words of
// two pairs each, high and low parts.
type PixelPairsArgs struct {
	Before *float32       // 0: the pixel before the first
	Src    *float32       // 8: the first
	Behind *float32       // 16: the pixel behind the last
	Pixel  int            // 24: bytes from one pixel to the next
	Dst    unsafe.Pointer // 32: the words of the first two pairs' 16 channels, the high parts of ξ = 0
	Next   int            // 40: bytes to those of the next two pairs
	Xi     int            // 48: bytes from one ξ to the next
	Low    int            // 56: bytes to the low parts
	Block  int            // 64: bytes from 16 channels to the next
	Blocks int            // 72: how often
	Count  int            // 80: twos of pairs
}

// FilterPairsArgs describes G g of F(2,3) for a row of 32 filters, of up to 16 pairs of
// neighbouring channels, as high and low parts: two tiles of 16 columns each.
type FilterPairsArgs struct {
	Src   *float32       // 0: the row's first tap, of [channel][9 taps][32]
	Tap   int            // 8: bytes to its next
	Dst   unsafe.Pointer // 16: the first pair's high parts of ξ = 0, pairs being 64 bytes apart
	Xi    int            // 24: bytes from one ξ to the next
	Low   int            // 32: bytes to the low parts
	Count int            // 40: pairs
}

// SplitRowArgs describes Bᵀ d of F(2,3) for some neighbouring pairs of results, as high
// and low parts.
type SplitRowArgs struct {
	Src      *float32       // 0: the first pair's four pixels, and those that follow
	Pixel    int            // 8: bytes from one pixel to the next
	Dst      unsafe.Pointer // 16: the first pair's high parts of ξ = 0
	Next     int            // 24: bytes from one pair to the next
	Xi       int            // 32: bytes from one ξ to the next
	Low      int            // 40: bytes to the low parts
	Channels int            // 48: a multiple of 32
	Count    int            // 56: pairs
}
