#include "go_asm.h"
#include "gate_amd64.h"
#include "tile_amd64.h"
#include "tiles_amd64.h"
#include "amx_amd64.h"

// Adds the products of 32 rows of a and 32 columns of b, which are loaded by LOAD.
#define PRODUCTS(LOAD) \
	TILELOAD(4, AX_BX)   \
	LOAD(6, DX_SI)       \
	TDPBF16PS(0, 4, 6)   \
	LOAD(7, DI_SI)       \
	TDPBF16PS(1, 4, 7)   \
	TILELOAD(5, CX_BX)   \
	TDPBF16PS(2, 5, 6)   \
	TDPBF16PS(3, 5, 7)

// The products of low parts of b, then of high ones, and last those of the high parts of
// b and the low ones of a: no tile is loaded twice.
#define SPLIT_PRODUCTS(LOAD) \
	MOVQ 168(R8), R11    \
	ADDQ R11, DX         \
	ADDQ R11, DI         \
	PRODUCTS(LOAD)       \
	SUBQ R11, DX         \
	SUBQ R11, DI         \
	LOAD(6, DX_SI)       \
	TDPBF16PS(0, 4, 6)   \
	TDPBF16PS(2, 5, 6)   \
	LOAD(7, DI_SI)       \
	TDPBF16PS(1, 4, 7)   \
	TDPBF16PS(3, 5, 7)   \
	MOVQ 160(R8), R11    \
	ADDQ R11, AX         \
	ADDQ R11, CX         \
	TILELOAD(4, AX_BX)   \
	TDPBF16PS(0, 4, 6)   \
	TDPBF16PS(1, 4, 7)   \
	TILELOAD(5, CX_BX)   \
	TDPBF16PS(2, 5, 6)   \
	TDPBF16PS(3, 5, 7)   \
	SUBQ R11, AX         \
	SUBQ R11, CX

// func tileAMX(t *TileArgs)
//
// Tiles 0-3 accumulate, 4 and 5 hold 16 rows of a each, 6 and 7 16 columns of b.
//
// The tile unit works beside the rest of the core: in the steps of one tile, the rows
// of the tile before get their bias and are stored (Z30, Z31: bias, R15: distance to
// the rows to add); those of a tile of gates, as value·GELU(gate).
TEXT ·tileAMX(SB), NOSPLIT, $152-8
	MOVQ t+0(FP), R8
	LEAQ tilecfg<>(SB), AX
	LDTILECFG_AX
	MOVQ TileArgs_Ldb(R8), SI  // stride of b
	MOVQ TileArgs_Second(R8), R9  // from b's first to its second tile
	MOVQ TileArgs_Next(R8), R10 // from one step to the next
	MOVQ TileArgs_Fetch(R8), BP // what to fetch
	MOVQ TileArgs_Count(R8), AX
	MOVQ AX, left-8(SP)
	MOVQ TileArgs_Moves(R8), AX
	MOVQ AX, moves-16(SP)
	MOVQ TileArgs_Gaps(R8), AX
	MOVQ AX, gaps-72(SP)
	MOVQ TileArgs_Shifts(R8), AX
	MOVQ AX, shifts-112(SP)
	MOVQ TileArgs_Acc(R8), AX
	MOVQ AX, acc-80(SP)
	MOVQ $128, AX
	MOVQ TileArgs_Fours(R8), CX
	SHLQ CX, AX
	MOVQ AX, stride-128(SP) // of the sums

	XORQ  AX, AX
	MOVQ  AX, row-40(SP)
	MOVQ  AX, rowEnd-48(SP)
	MOVQ  AX, gated-136(SP)
	MOVQ  TileArgs_Put(R8), DI // put
	TESTQ DI, DI
	JZ    tile
	MOVQ  8(DI), AX
	MOVQ  AX, row-40(SP)
	MOVQ  AX, rowEnd-48(SP)
	MOVQ  0(DI), AX
	MOVQ  AX, from-56(SP)
	MOVQ  32(DI), AX
	MOVQ  AX, add-64(SP)
	MOVQ  72(DI), AX
	MOVQ  AX, shift-152(SP)
	MOVQ  24(DI), R15
	MOVQ  40(DI), AX
	CMPQ  56(DI), $0
	JE    ungated
	MOVQ  $1, gated-136(SP)
	MOVQ  64(DI), R15
	MOVQ  R15, half-144(SP)
	GATING
	JMP   masks

ungated:
	VMOVUPS (AX), Z30
	VMOVUPS 64(AX), Z31

masks:
	MOVL 48(DI), AX
	MASKS

tile:
	MOVQ TileArgs_Lda(R8), BX // stride of a
	MOVQ TileArgs_A(R8), AX
	MOVQ BX, CX
	SHLQ $4, CX    // to the second 16 rows
	CMPQ TileArgs_Count(R8), $0
	JE   one
	MOVQ moves-16(SP), DI
	ADDQ (DI), AX
	ADDQ $8, DI
	MOVQ DI, moves-16(SP)
	MOVQ gaps-72(SP), DI
	TESTQ DI, DI
	JZ   one
	MOVQ (DI), CX
	ADDQ $8, DI
	MOVQ DI, gaps-72(SP)

one:
	MOVQ AX, a-24(SP)
	MOVQ CX, gap-88(SP)
	MOVQ TileArgs_OffsetsB(R8), AX
	MOVQ AX, offsetsB-32(SP)
	MOVQ TileArgs_B(R8), DX  // b
	MOVQ shifts-112(SP), DI
	TESTQ DI, DI
	JZ   same
	ADDQ (DI), DX
	ADDQ $8, DI
	MOVQ DI, shifts-112(SP)

same:
	MOVQ DX, b-120(SP)
	MOVQ TileArgs_Offsets(R8), R12 // offsets of the taps
	MOVQ TileArgs_Taps(R8), DI  // and their end
	LEAQ (R12)(DI*8), DI
	MOVQ DI, taps-96(SP)
	CMPQ TileArgs_Resume(R8), $0
	JNE  resume
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	JMP  tap

resume:
	MOVQ acc-80(SP), AX
	MOVQ stride-128(SP), BX
	MOVQ BX, CX
	SHLQ $4, CX
	ADDQ AX, CX // the second 16 rows
	TILELOAD(0, AX_BX)
	TILELOAD(2, CX_BX)
	ADDQ $64, AX
	ADDQ $64, CX
	TILELOAD(1, AX_BX)
	TILELOAD(3, CX_BX)
	MOVQ TileArgs_Lda(R8), BX

tap:
	MOVQ  offsetsB-32(SP), CX
	TESTQ CX, CX
	JZ    behind
	MOVQ  b-120(SP), DX
	ADDQ  (CX), DX
	ADDQ  $8, CX
	MOVQ  CX, offsetsB-32(SP)

behind:
	MOVQ a-24(SP), AX
	ADDQ (R12), AX
	ADDQ $8, R12
	MOVQ gap-88(SP), CX
	ADDQ AX, CX
	MOVQ TileArgs_Steps(R8), R13

step:
	MOVQ TileArgs_FetchStep(R8), R11
	ADDQ BP, R11

fetch:
	CMPQ BP, TileArgs_FetchEnd(R8)
	JAE  store
	PREFETCHT1 (BP)
	PREFETCHT1 64(BP)
	PREFETCHT1 128(BP)
	PREFETCHT1 192(BP)
	ADDQ $256, BP
	CMPQ BP, R11
	JB   fetch

store:
	MOVQ row-40(SP), R14
	CMPQ R14, rowEnd-48(SP)
	JAE  multiply
	MOVQ from-56(SP), DI
	MOVQ TileArgs_Rate(R8), R11
	ADDQ R14, R11
	MOVQ R11, stop-104(SP)
	CMPQ TileArgs_Fours(R8), $0
	JNE  pair
	CMPQ gated-136(SP), $0
	JNE  gate

row:
	MOVQ 64(R14), R11 // eight rows ahead
	ADDQ shift-152(SP), R11
	PREFETCHW_R11
	PREFETCHW_R11_64
	STORE_ROW(plain, dropped)
	CMPQ R14, stop-104(SP)
	JB   row
	MOVQ R14, row-40(SP)
	MOVQ DI, from-56(SP)
	JMP  multiply

gate:
	MOVQ 64(R14), R11
	ADDQ shift-152(SP), R11
	PREFETCHW_R11
	STORE_GATED(half-144(SP), shift-152(SP), wide, gateDropped)
	CMPQ R14, stop-104(SP)
	JB   gate
	MOVQ R14, row-40(SP)
	MOVQ DI, from-56(SP)
	JMP  multiply

pair:
	MOVQ 64(R14), R11 // four pairs ahead
	ADDQ shift-152(SP), R11
	PREFETCHW_R11
	PREFETCHW_R11_64
	MOVQ 72(R14), R11
	ADDQ shift-152(SP), R11
	PREFETCHW_R11
	PREFETCHW_R11_64
	STORE_PAIR(left, noLeft, right, noRight)
	CMPQ R14, stop-104(SP)
	JB   pair
	MOVQ R14, row-40(SP)
	MOVQ DI, from-56(SP)

multiply:
	LEAQ (DX)(R9*1), DI
	CMPQ TileArgs_LowA(R8), $0
	JNE  split
	CMPQ TileArgs_Streaming(R8), $0
	JE   kept
	PRODUCTS(TILELOADT1)
	JMP  advance

kept:
	PRODUCTS(TILELOAD)
	JMP  advance

split:
	CMPQ TileArgs_Streaming(R8), $0
	JE   splitKept
	SPLIT_PRODUCTS(TILELOADT1)
	JMP  advance

splitKept:
	SPLIT_PRODUCTS(TILELOAD)

advance:
	ADDQ $64, AX
	ADDQ $64, CX
	ADDQ R10, DX
	DECQ R13
	JNZ  step
	CMPQ R12, taps-96(SP)
	JB   tap

	MOVQ acc-80(SP), AX
	MOVQ stride-128(SP), BX
	MOVQ BX, CX
	SHLQ $4, CX
	ADDQ AX, CX
	TILESTORE(0, AX_BX)
	TILESTORE(2, CX_BX)
	ADDQ $64, AX
	ADDQ $64, CX
	TILESTORE(1, AX_BX)
	TILESTORE(3, CX_BX)
	CMPQ TileArgs_Fours(R8), $0
	JNE  beside
	MOVQ acc-80(SP), AX
	ADDQ $4096, acc-80(SP)
	CMPQ TileArgs_Put(R8), $0
	JE   next
	CMPQ gated-136(SP), $0
	JE   stored
	TESTQ $1, left-8(SP)
	JZ   next
	SUBQ $4096, AX

stored:
	MOVQ AX, from-56(SP) // the rows before are all stored
	ADDQ $256, rowEnd-48(SP)
	JMP  turn

beside:
	ADDQ $128, acc-80(SP)
	MOVQ left-8(SP), AX
	DECQ AX
	TESTQ $3, AX
	JNZ  next
	MOVQ acc-80(SP), AX
	SUBQ $512, AX
	ADDQ $(4*4096-512), acc-80(SP)
	CMPQ TileArgs_Put(R8), $0
	JE   next
	MOVQ AX, from-56(SP)
	ADDQ $512, rowEnd-48(SP)

turn:
	MOVQ TileArgs_Acc(R8), AX
	MOVQ TileArgs_Ring(R8), CX
	ADDQ AX, CX
	CMPQ CX, acc-80(SP)
	JNE  next
	MOVQ AX, acc-80(SP)

next:
	DECQ left-8(SP)
	JG   tile

	TILERELEASE
	MOVQ row-40(SP), R14
	MOVQ from-56(SP), DI

rest:
	CMPQ R14, rowEnd-48(SP)
	JAE  end
	CMPQ TileArgs_Fours(R8), $0
	JNE  lastPair
	CMPQ gated-136(SP), $0
	JNE  lastGate
	STORE_ROW(lastPlain, lastDropped)
	JMP  rest

lastGate:
	STORE_GATED(half-144(SP), shift-152(SP), lastWide, lastGateDropped)
	JMP  rest

lastPair:
	STORE_PAIR(lastLeft, noLastLeft, lastRight, noLastRight)
	JMP  rest

end:
	VZEROUPPER
	RET
