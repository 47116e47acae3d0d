#include "go_asm.h"
#include "textflag.h"
#include "tiles_amd64.h"
#include "transpose_amd64.h"

// An element ξ of two pairs, 16 channels: its high and low parts, of Z1 and Z2.
#define PUT_ELEMENT \
	PAIRS16                    \
	VMOVDQU64 Z0, (DI)         \
	LOWPAIRS16                 \
	VMOVDQU64 Z0, (DI)(R14*1)  \
	ADDQ      R13, DI

// The arguments of pixelPairs and gradPairs.
#define PAIRS_OF(a) \
	MOVQ a, R8               \
	MOVQ 8(R8), R9           \
	MOVQ 24(R8), BX          \
	LEAQ (BX)(BX*2), R10     \
	MOVQ 32(R8), R15         \
	MOVQ 48(R8), R13         \
	MOVQ 56(R8), R14         \
	MOVQ 80(R8), AX          \
	MOVQ AX, left-8(SP)      \
	MOVQ R15, words-16(SP)   \
	PAIRING

// Goes on to the next two pairs, if there are more.
#define NEXT_PAIRS \
	LEAQ (R9)(BX*4), R9      \
	MOVQ words-16(SP), R15   \
	ADDQ 40(R8), R15         \
	MOVQ R15, words-16(SP)   \
	DECQ left-8(SP)          \
	JNZ  pairs               \
	VZEROUPPER               \
	RET

// func pixelPairs(a *pixelPairsArgs)
TEXT ·pixelPairs(SB), NOSPLIT, $16-8
	PAIRS_OF(a+0(FP))
	MOVQ 0(R8), R12 // the pixel before

pairs:
	LEAQ (R9)(BX*4), R11 // the one behind
	CMPQ left-8(SP), $1
	JNE  inside
	MOVQ 16(R8), R11

inside:
	MOVQ R12, AX
	MOVQ R9, SI
	MOVQ R11, DX
	MOVQ words-16(SP), R15
	MOVQ 72(R8), CX

block:
	VMOVUPS (AX), Z16
	VMOVUPS (SI), Z17
	VMOVUPS (SI)(BX*1), Z18
	VMOVUPS (SI)(BX*2), Z19
	VMOVUPS (SI)(R10*1), Z20
	VMOVUPS (DX), Z21
	MOVQ R15, DI
	VSUBPS Z18, Z16, Z1
	VSUBPS Z20, Z18, Z2
	PUT_ELEMENT
	VADDPS Z18, Z17, Z1
	VADDPS Z20, Z19, Z2
	PUT_ELEMENT
	VSUBPS Z17, Z18, Z1
	VSUBPS Z19, Z20, Z2
	PUT_ELEMENT
	VSUBPS Z19, Z17, Z1
	VSUBPS Z21, Z19, Z2
	PUT_ELEMENT
	ADDQ $64, AX
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ 64(R8), R15
	DECQ CX
	JNZ  block
	LEAQ (R9)(R10*1), R12
	NEXT_PAIRS

// func gradPairs(a *pixelPairsArgs)
TEXT ·gradPairs(SB), NOSPLIT, $16-8
	PAIRS_OF(a+0(FP))

pairs:
	MOVQ R9, SI
	MOVQ words-16(SP), R15
	MOVQ 72(R8), CX

block:
	VMOVUPS (SI), Z16
	VMOVUPS (SI)(BX*1), Z17
	VMOVUPS (SI)(BX*2), Z18
	VMOVUPS (SI)(R10*1), Z19
	MOVQ R15, DI
	VMOVAPS Z16, Z1
	VMOVAPS Z18, Z2
	PUT_ELEMENT
	VADDPS Z17, Z16, Z1
	VADDPS Z19, Z18, Z2
	PUT_ELEMENT
	VSUBPS Z17, Z16, Z1
	VSUBPS Z19, Z18, Z2
	PUT_ELEMENT
	VMOVAPS Z17, Z1
	VMOVAPS Z19, Z2
	PUT_ELEMENT
	ADDQ $64, SI
	ADDQ 64(R8), R15
	DECQ CX
	JNZ  block
	NEXT_PAIRS

DATA halfRows<>+0(SB)/4, $0x3f000000 // 1/2
GLOBL halfRows<>(SB), RODATA|NOPTR, $4

// A row of the gradient to a filter, Gᵀ m.
#define FILTER_ROW(g0, g1, g2) \
	VMOVUPS (R9), Z16            \
	VMOVUPS (R9)(R12*1), Z17     \
	VMOVUPS (R9)(R12*2), Z18     \
	VMOVUPS (R9)(R13*1), Z19     \
	VADDPS  Z18, Z17, Z20        \
	VSUBPS  Z18, Z17, Z21        \
	VMULPS.BCST halfRows<>(SB), Z20, Z20 \
	VMULPS.BCST halfRows<>(SB), Z21, g1  \
	VADDPS  Z16, Z20, g0         \
	VSUBPS  Z19, Z20, g2         \
	ADDQ    $4096, R9

// func turnFilters(a *turnArgs)
TEXT ·turnFilters(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ TurnArgs_Dst(R8), DI
	MOVQ TurnArgs_Ldd(R8), R10  // from column to column of dst
	MOVQ TurnArgs_Next(R8), R11 // from row to row
	MOVQ TurnArgs_Src(R8), SI
	MOVQ TurnArgs_Lds(R8), R12 // from ξ to ξ of src
	LEAQ (R12)(R12*2), R13
	MOVQ TurnArgs_Count(R8), DX  // rows
	MOVL $0x1ff, AX
	KMOVW AX, K1

row:
	MOVQ SI, R9
	FILTER_ROW(Z0, Z1, Z2)
	FILTER_ROW(Z3, Z4, Z5)
	FILTER_ROW(Z6, Z7, Z8)
	TRANSPOSE16
	PUT_ROW
