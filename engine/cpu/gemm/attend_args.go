package gemm

// attendArgs describes the attention of up to 32 queries to blocks of keys that lie
// behind each other. With a top, which is negative, of every query,
//
//	t = scale·q·k + top,  p = 2^t,  totals += Σ p,  acc += p·v
//
// The top is the largest score of the first panel; it stays, so that the others
// need not be searched, unless a sum of p becomes larger than 2^64. Tiles multiply
// all 32 queries.
type attendArgs struct {
	q        uintptr  // 0: rows of bfloat16
	ldq      int      // 8: bytes from one to the next
	k, v     uintptr  // 16, 24: of the first block
	kPanel   int      // 32: bytes from 32 keys to the next
	ldv      int      // 40: bytes from one pair of rows of v to the next
	block    int      // 48: bytes from one block to the next
	kSteps   *[2]int  // 56: bytes from q, and from a panel of k, for each step of a score
	kCount   int      // 64
	vSteps   *[2]int  // 72: bytes from probs, and from v, for the high parts of each step of acc
	vCount   int      // 80
	scores   *float32 // 88: [panels][32][32], or of the last two where the top is known before
	panels   int      // 96: of keys in a block
	last     int      // 104: columns of the last of them, one bit each
	blocks   int      // 112
	mode     int      // 120
	begun    int      // 128: whether totals and acc hold sums already
	top      *float32 // 136: [32], negative
	sums     *float32 // 144: [32][16], of a block
	totals   *float32 // 152: [32][16]
	tiles    int      // 160: of 16 columns of v
	acc      *float32 // 168: panels of [32][32]
	accPanel int      // 176: bytes from one to the next
	rows     int      // 184: queries
	done     int      // 192: blocks whose p are in the sums
	probs    *float32 // 200: p as bfloat16, [panels][parts][32][32]
	scale    float32  // 208: of the logarithms to base 2
}

// attender has the kernels of a processor, if it has any: fold sums the rows of
// [32][16].
type attender struct {
	attend func(*attendArgs)
	fold   func(dst, rows *float32)
}

// What to do with the top before the first block.
const (
	topStays   = iota // and stop at a block whose sum becomes too large
	topFound          // among the scores of its first panel
	topOnly           // is found among all of them, and no more
	topOfScore        // is known, and so are the scores
)
