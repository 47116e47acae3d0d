#include "go_asm.h"
#include "textflag.h"
#include "tiles_amd64.h"
#include "transpose_amd64.h"

#define CLEAR(z) VPXORD z, z, z

// The next tap's 16 columns, if there is one.
#define TAP(z, r) \
	CMPQ    R13, $r      \
	JLE     turn         \
	VMOVUPS (R9), z      \
	ADDQ    R12, R9

// func turnTaps(a *turnArgs)
TEXT ·turnTaps(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ TurnArgs_Dst(R8), DI
	MOVQ TurnArgs_Ldd(R8), R10  // from column to column of dst
	MOVQ TurnArgs_Next(R8), R11 // from row to row
	MOVQ TurnArgs_Src(R8), SI
	MOVQ TurnArgs_Lds(R8), R12 // from tap to tap of src
	MOVQ TurnArgs_Taps(R8), R13
	MOVQ TurnArgs_Count(R8), DX  // rows
	MOVL $1, AX
	MOVQ R13, CX
	SHLL CX, AX
	DECL AX
	KMOVW AX, K1

row:
	MOVQ SI, R9
	CLEAR(Z0)
	CLEAR(Z1)
	CLEAR(Z2)
	CLEAR(Z3)
	CLEAR(Z4)
	CLEAR(Z5)
	CLEAR(Z6)
	CLEAR(Z7)
	CLEAR(Z8)
	CLEAR(Z9)
	CLEAR(Z10)
	CLEAR(Z11)
	CLEAR(Z12)
	CLEAR(Z13)
	CLEAR(Z14)
	CLEAR(Z15)
	TAP(Z0, 0)
	TAP(Z1, 1)
	TAP(Z2, 2)
	TAP(Z3, 3)
	TAP(Z4, 4)
	TAP(Z5, 5)
	TAP(Z6, 6)
	TAP(Z7, 7)
	TAP(Z8, 8)
	TAP(Z9, 9)
	TAP(Z10, 10)
	TAP(Z11, 11)
	TAP(Z12, 12)
	TAP(Z13, 13)
	TAP(Z14, 14)
	TAP(Z15, 15)

turn:
	TRANSPOSE16
	PUT_ROW

// func prefetchRows(src *float32, lds, lines, count int)
// brings the lines of rows into the second-level cache; lds is in bytes.
TEXT ·prefetchRows(SB), NOSPLIT, $0-32
	MOVQ src+0(FP), SI
	MOVQ lds+8(FP), DX
	MOVQ lines+16(FP), BX
	MOVQ count+24(FP), CX

row:
	MOVQ SI, DI
	MOVQ BX, AX

line:
	PREFETCHT1 (DI)
	ADDQ $64, DI
	DECQ AX
	JNZ  line
	ADDQ DX, SI
	DECQ CX
	JNZ  row
	RET

// 16 channels of a pair, at off bytes from dst's.
#define HALF(off, mask) \
	VMOVUPS.Z off(SI), mask, Z1 \
	VMOVUPS.Z off(DX), mask, Z2 \
	PAIRS16                     \
	VMOVDQU32 Z0, off(DI)

#define HALFLOW(off) \
	LOWPAIRS16 \
	VMOVDQU32 Z0, off(DI)(BX*1)

// func pairPanels(a *panelPairs)
TEXT ·pairPanels(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ PanelPairs_Dst(R8), R9   // dst
	MOVQ PanelPairs_Ldd(R8), R10  // from pair to pair
	MOVQ PanelPairs_Panel(R8), R12 // from panel to panel
	MOVQ PanelPairs_Even(R8), R11 // even
	MOVQ PanelPairs_Odd(R8), R13 // odd
	MOVQ PanelPairs_Count(R8), R14 // pairs
	MOVQ PanelPairs_Low(R8), BX  // to the low parts
	PAIRING

pair:
	MOVQ R9, DI
	MOVQ R11, SI
	MOVQ R13, DX
	MOVQ PanelPairs_N(R8), CX

panel:
	MOVL $-1, AX
	CMPQ CX, $32
	JGE  whole
	MOVL $1, AX
	SHLL CX, AX
	DECL AX

whole:
	KMOVW AX, K1
	SHRL  $16, AX
	KMOVW AX, K2
	TESTQ BX, BX
	JNZ   both
	HALF(0, K1)
	HALF(64, K2)
	JMP   next

both:
	HALF(0, K1)
	HALFLOW(0)
	HALF(64, K2)
	HALFLOW(64)

next:
	ADDQ $128, SI
	ADDQ $128, DX
	ADDQ R12, DI
	SUBQ $32, CX
	JG   panel
	ADDQ R10, R9
	ADDQ PanelPairs_Next(R8), R11
	ADDQ PanelPairs_Next(R8), R13
	DECQ R14
	JNZ  pair
	VZEROUPPER
	RET
