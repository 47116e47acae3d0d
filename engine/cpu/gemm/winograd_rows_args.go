package gemm

import "unsafe"

// pixelPairsArgs describes elements of neighbouring pairs of pixels of a row, as words of
// two pairs each, high and low parts.
type pixelPairsArgs struct {
	before *float32       // 0: the pixel before the first
	src    *float32       // 8: the first
	behind *float32       // 16: the pixel behind the last
	pixel  int            // 24: bytes from one pixel to the next
	dst    unsafe.Pointer // 32: the words of the first two pairs' 16 channels, the high parts of ξ = 0
	next   int            // 40: bytes to those of the next two pairs
	xi     int            // 48: bytes from one ξ to the next
	low    int            // 56: bytes to the low parts
	block  int            // 64: bytes from 16 channels to the next
	blocks int            // 72: how often
	count  int            // 80: twos of pairs
}

// filterPairsArgs describes G g of F(2,3) for a row of 32 filters, of up to 16 pairs of
// neighbouring channels, as high and low parts: two tiles of 16 columns each.
type filterPairsArgs struct {
	src   *float32       // 0: the row's first tap, of [channel][9 taps][32]
	tap   int            // 8: bytes to its next
	dst   unsafe.Pointer // 16: the first pair's high parts of ξ = 0, pairs being 64 bytes apart
	xi    int            // 24: bytes from one ξ to the next
	low   int            // 32: bytes to the low parts
	count int            // 40: pairs
}

// splitRowArgs describes Bᵀ d of F(2,3) for some neighbouring pairs of results, as high
// and low parts.
type splitRowArgs struct {
	src      *float32       // 0: the first pair's four pixels, and those that follow
	pixel    int            // 8: bytes from one pixel to the next
	dst      unsafe.Pointer // 16: the first pair's high parts of ξ = 0
	next     int            // 24: bytes from one pair to the next
	xi       int            // 32: bytes from one ξ to the next
	low      int            // 40: bytes to the low parts
	channels int            // 48: a multiple of 32
	count    int            // 56: pairs
}
