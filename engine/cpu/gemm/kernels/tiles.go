package kernels

import "unsafe"

// Tiles are the operations of bfloat16 products: 32x32 results at a time, made
// of pairs of neighbouring k, as the AMX tile instructions want them.
type Tiles struct {
	Name      string
	Tile      func(*TileArgs)
	Row       func(dst *uint16, src *float32, n int)
	Pairs     func(dst *uint32, even, odd *float32, n int)
	Transpose func(dst *uint32, ldd int, src *uint32, lds int)
	RowLow    func(dst *uint16, src *float32, n int)       // row of the low parts
	PairsLow  func(dst *uint32, even, odd *float32, n int) // pairs of the low parts
	Rows      func(*RowsArgs)                              // row of many rows
	NormRows  func(*RowsArgs)                              // the same, normalised before
	RowPairs  func(*RowsArgs)                              // pairs of many rows, each with its neighbour
	Panels    func(*PanelPairs)                            // pairs in panels of 32 columns
	Prefetch  func(src *float32, lds, lines, count int)    // cache lines of many rows
	TurnTaps  func(*TurnArgs)                              // sums of taps, side by side
	WideRows  func(*RowsArgs)                              // rows that stay float32, normalised before
	RowTransforms
}

// RowTransforms are those of Winograd's F(2,3) along rows.
type RowTransforms struct {
	SplitRow func(*SplitRowArgs)    // Bᵀ d, high and low parts
	Filters  func(*FilterPairsArgs) // and G g

	// Of the gradient to the weights: Bᵀ d and A e, words of two pairs, and Gᵀ m.
	PixelPairs, GradPairs func(*PixelPairsArgs)
	TurnFilters           func(*TurnArgs)
}

// side is the number of rows and columns of a result, step the k of one tile.
const (
	Side = 32
	Step = 32
)

// TileWords is the size of a tile of 16 rows, side by side in memory.
const TileWords = 16 * 16

// TileArgs describes a product of 32 rows of a with 32 columns of b:
//
//	acc[r][c] (+)= Σ_tap Σ_k a[r][tap][k] · b[tap][k][c]
//
// a has rows of bfloat16 at stride lda, shifted by an offset for every tap; b
// is stored in words of two neighbouring k, so that a tile of 32 k is 16 rows.
type TileArgs struct {
	A       uintptr  // 0
	Lda     int      // 8: bytes
	Offsets *int     // 16: bytes, one for every tap
	Taps    int      // 24
	Steps   int      // 32: tiles of 32 k in every tap
	B       uintptr  // 40
	Ldb     int      // 48: bytes
	Second  int      // 56: bytes from b's columns 0-15 to columns 16-31
	Next    int      // 64: bytes from one step of b to the next
	Acc     *float32 // 72: [32][32]
	Resume  int      // 80: start from acc, not from zero

	// Many tiles that differ in a, b and acc alone:
	Moves *int // 88: bytes from a to the rows of each tile
	Count int  // 96: their number, accumulators one behind the other; 0: one tile at a

	OffsetsB *int    // 104: bytes from b to what every tap meets; nil: each behind the last
	Fetch    uintptr // 112: what to bring into the second-level cache meanwhile
	FetchEnd uintptr // 120

	Put  *PutArgs // 128: where the sums go, tile after tile; nil: they are not complete yet
	Rate int      // 136: bytes of put.rows to be stored in every step of the next tile
	Gaps *int     // 144: bytes from each tile's first 16 rows to its second; nil: 16 rows

	Shifts *int // 152: bytes from b to that of each tile; nil: all have the same

	// Split products, high·low + high·high + low·high, where lowA is not 0:
	LowA int // 160: bytes from a to its low parts
	LowB int // 168: bytes from b to its

	FetchStep int // 176: bytes of fetch in every step, a multiple of 256, at least that

	// Tiles in fours, the sums of F(2,3): 2 where those of a row lie side by side, so
	// [32][4][32], and make two results. AMX and the twin alone.
	Fours int // 184

	Streaming int // 192: whether b is to go past the first-level cache, for rows of a to stay

	// Sums that are put may lie in the first so many bytes of acc by turns, all of which
	// then stay in the first-level cache; 0: each has its own.
	Ring int // 200
}

// PutArgs adds bias (and the rows lying at distance delta) to a result and
// stores its rows at their addresses; a row with address 0 is dropped.
type PutArgs struct {
	Acc   *float32 // 0: [rows][32]
	Rows  *uintptr // 8: two for every row of sums of F(2,3)
	Count int      // 16
	Delta uintptr  // 24: from a row's address to that of the row to add
	Add   int      // 32: whether to add
	Bias  *float32 // 40: [32]
	Mask  uint32   // 48: columns, one bit each

	// Where the sums are of values and of their gates, tile by tile in turn, and
	// value·GELU(gate) is stored; the gates' bias lies behind that of the values.
	Gated int // 56
	Half  int // 64: whether as bfloat16

	Shift uintptr // 72: bytes from an address to where the row's columns begin
}

// RowsArgs describes a number of rows to be rounded to bfloat16.
type RowsArgs struct {
	Dst   unsafe.Pointer // 0
	Ldd   int            // 8: bytes from one row (or pair of rows) of dst to the next
	Src   *float32       // 16
	Lds   int            // 24: bytes from one row of src to the next
	N     int            // 32: numbers in a row
	Count int            // 40: rows, or pairs of rows
	Low   int            // 48: bytes from dst to where the low parts go; 0: nowhere

	// A normalisation of the rows before, (x-mean)·a + beta, and then SiLU if not 0:
	A, Beta, Mean *float32 // 56, 64, 72: [n]
	Silu          int      // 80

	Skip int // 88: bytes of dst, rows of pairs alone, between 16 pairs and the next
}

// PortableTiles are plain Go, the twins of the others.
var PortableTiles = Tiles{
	Name:      "portable",
	Tile:      TilePortable,
	Row:       RowPortable,
	Pairs:     PairsPortable,
	Transpose: TransposePortable,
	RowLow:    RowLowPortable,
	PairsLow:  PairsLowPortable,
	Rows:      RowsPortable,
	NormRows:  NormRowsPortable,
	RowPairs:  RowPairsPortable,
	Panels:    PanelsPortable,
	Prefetch:  func(*float32, int, int, int) {},
	TurnTaps:  TurnTapsPortable,
	WideRows:  WideRowsPortable,
	RowTransforms: RowTransforms{
		SplitRow:    SplitRowPortable,
		Filters:     FilterPairsPortable,
		PixelPairs:  PixelPairsPortable,
		GradPairs:   GradPairsPortable,
		TurnFilters: TurnFiltersPortable,
	},
}
