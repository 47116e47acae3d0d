package kernels

// AttendArgs describes the attention of up to 32 queries to blocks of keys that lie
// behind each other. With a top, which is negative, of every query,
//
//	t = scale·q·k + top,  p = 2^t,  totals += Σ p,  acc += p·v
//
// The top is the largest score of the first panel; it stays, so that the others
// need not be searched, unless a sum of p becomes larger than 2^64. Tiles multiply
// all 32 queries.
type AttendArgs struct {
	Q        uintptr  // 0: rows of bfloat16
	Ldq      int      // 8: bytes from one to the next
	K, V     uintptr  // 16, 24: of the first block
	KPanel   int      // 32: bytes from 32 keys to the next
	Ldv      int      // 40: bytes from one pair of rows of v to the next
	Block    int      // 48: bytes from one block to the next
	KSteps   *[2]int  // 56: bytes from q, and from a panel of k, for each step of a score
	KCount   int      // 64
	VSteps   *[2]int  // 72: bytes from probs, and from v, for the high parts of each step of acc
	VCount   int      // 80
	Scores   *float32 // 88: [panels][32][32], or of the last two where the top is known before
	Panels   int      // 96: of keys in a block
	Last     int      // 104: columns of the last of them, one bit each
	Blocks   int      // 112
	Mode     int      // 120
	Begun    int      // 128: whether totals and acc hold sums already
	Top      *float32 // 136: [32], negative
	Sums     *float32 // 144: [32][16], of a block
	Totals   *float32 // 152: [32][16]
	Tiles    int      // 160: of 16 columns of v
	Acc      *float32 // 168: panels of [32][32]
	AccPanel int      // 176: bytes from one to the next
	Rows     int      // 184: queries
	Done     int      // 192: blocks whose p are in the sums
	Probs    *float32 // 200: p as bfloat16, [panels][parts][32][32]
	Scale    float32  // 208: of the logarithms to base 2
}

// Attender has the kernels of a processor, if it has any: fold sums the rows of
// [32][16].
type Attender struct {
	Attend func(*AttendArgs)
	Fold   func(dst, rows *float32)
}

// What to do with the top before the first block.
const (
	TopStays   = iota // and stop at a block whose sum becomes too large
	TopFound          // among the scores of its first panel
	TopOnly           // is found among all of them, and no more
	TopOfScore        // is known, and so are the scores
)

// Queries is the number of queries that attend together.
const Queries = Side
