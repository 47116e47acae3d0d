#include "go_asm.h"
#include "textflag.h"

// Transforms of F(2x2,3x3) with AVX-512, sixteen channels at a time. Each row of a
// result is made from the rows it needs, so that nothing lies between in memory.

DATA half2<>+0(SB)/4, $0x3f000000 // 1/2
GLOBL half2<>(SB), RODATA|NOPTR, $4

// The lanes of the channels that are left (CX) in K1.
#define LANES2(full) \
	MOVL $-1, AX \
	CMPQ CX, $16 \
	JGE  full    \
	MOVL $1, AX  \
	SHLL CX, AX  \
	DECL AX

// A pixel of the tile.
#define PIXEL2X512(i, y) \
	MOVQ (i*8)(R8), AX \
	VMOVUPS.Z (AX)(R14*1), K1, y

// Column j of rows a and b of the tile: their sum or difference (op) to y.
#define PAIR2X512(op, a, b, j, y) \
	PIXEL2X512((a*4+j), Z8) \
	PIXEL2X512((b*4+j), Z9) \
	op Z9, Z8, y

// A row of BᵀdB, of the sums or differences of rows a and b.
#define INROW2X512(op, a, b) \
	PAIR2X512(op, a, b, 0, Z0)  \
	PAIR2X512(op, a, b, 1, Z1)  \
	PAIR2X512(op, a, b, 2, Z2)  \
	PAIR2X512(op, a, b, 3, Z3)  \
	VSUBPS Z2, Z0, Z4           \
	VADDPS Z2, Z1, Z5           \
	VSUBPS Z1, Z2, Z6           \
	VSUBPS Z3, Z1, Z7           \
	VMOVUPS Z4, K1, (DI)        \
	VMOVUPS Z5, K1, (DI)(R10*1) \
	VMOVUPS Z6, K1, (DI)(R10*2) \
	VMOVUPS Z7, K1, (DI)(R12*1) \
	LEAQ (DI)(R10*4), DI

// func wino2In512(a *winoInArgs)
TEXT ·wino2In512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // the result
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	LEAQ (R10)(R10*2), R12
	XORQ R14, R14

group:
	LANES2(full)

full:
	KMOVW AX, K1
	LEAQ (R11)(R14*1), DI
	INROW2X512(VSUBPS, 0, 2)
	INROW2X512(VADDPS, 1, 2)
	INROW2X512(VSUBPS, 2, 1)
	INROW2X512(VSUBPS, 1, 3)
	ADDQ $64, R14
	SUBQ $16, CX
	JGT  group
	VZEROUPPER
	RET

// A row of AyAᵀ, of its two columns a and b.
#define GRADROW2X512(a, b) \
	VADDPS b, a, Z8              \
	VSUBPS b, a, Z9              \
	VSUBPS b, Z15, Z10           \
	VMOVUPS a, K1, (DI)          \
	VMOVUPS Z8, K1, (DI)(R10*1)  \
	VMOVUPS Z9, K1, (DI)(R10*2)  \
	VMOVUPS Z10, K1, (DI)(R12*1) \
	LEAQ (DI)(R10*4), DI

// func wino2Grad512(a *winoInArgs)
TEXT ·wino2Grad512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // the result
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	LEAQ (R10)(R10*2), R12
	VXORPS Z15, Z15, Z15
	XORQ R14, R14

group:
	LANES2(full)

full:
	KMOVW AX, K1
	LEAQ (R11)(R14*1), DI
	PIXEL2X512(0, Z0)
	PIXEL2X512(1, Z1)
	PIXEL2X512(2, Z2)
	PIXEL2X512(3, Z3)
	GRADROW2X512(Z0, Z1)
	VADDPS Z2, Z0, Z4
	VADDPS Z3, Z1, Z5
	GRADROW2X512(Z4, Z5)
	VSUBPS Z2, Z0, Z4
	VSUBPS Z3, Z1, Z5
	GRADROW2X512(Z4, Z5)
	VSUBPS Z2, Z15, Z4
	VSUBPS Z3, Z15, Z5
	GRADROW2X512(Z4, Z5)
	ADDQ $64, R14
	SUBQ $16, CX
	JGT  group
	VZEROUPPER
	RET

// func wino2Filter512(a *winoFilterArgs)
TEXT ·wino2Filter512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // taps
	MOVQ WinoFilterArgs_Tap(DX), BX   // from one tap to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // U
	MOVQ WinoFilterArgs_Row(DX), AX  // a row of G
	VBROADCASTSS (AX), Z15
	VBROADCASTSS 4(AX), Z14
	VBROADCASTSS 8(AX), Z13
	VBROADCASTSS half2<>(SB), Z12
	MOVQ WinoFilterArgs_Words(DX), CX  // words
	MOVQ CX, R10
	SHLQ $2, R10     // bytes from one j to the next
	LEAQ (R10)(R10*2), R12
	CMPQ WinoFilterArgs_Flipped(DX), $0
	JEQ  forward
	LEAQ (SI)(BX*8), SI
	NEGQ BX

forward:
	LEAQ (BX)(BX*2), R11 // three taps

vector:
	LEAQ (SI)(R11*1), R8
	LEAQ (R8)(R11*1), R9
	VMULPS (SI), Z15, Z0
	VMULPS (SI)(BX*1), Z15, Z1
	VMULPS (SI)(BX*2), Z15, Z2
	VFMADD231PS (R8), Z14, Z0
	VFMADD231PS (R8)(BX*1), Z14, Z1
	VFMADD231PS (R8)(BX*2), Z14, Z2
	VFMADD231PS (R9), Z13, Z0
	VFMADD231PS (R9)(BX*1), Z13, Z1
	VFMADD231PS (R9)(BX*2), Z13, Z2
	VADDPS Z2, Z0, Z3
	VADDPS Z1, Z3, Z4
	VSUBPS Z1, Z3, Z5
	VMULPS Z12, Z4, Z4
	VMULPS Z12, Z5, Z5
	VMOVUPS Z0, (DI)
	VMOVUPS Z4, (DI)(R10*1)
	VMOVUPS Z5, (DI)(R10*2)
	VMOVUPS Z2, (DI)(R12*1)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGT  vector
	VZEROUPPER
	RET

// A column of Aᵀm, of the elements a, b and c, to y.
#define OUTCOLUMN2X512(first, second, a, b, c, y) \
	VMOVUPS.Z b, K1, y  \
	VMOVUPS.Z a, K1, Z8 \
	VMOVUPS.Z c, K1, Z9 \
	first Z8, y, y      \
	second Z9, y, y

// The two results of a row of sums Z0-Z3.
#define AT2X512 \
	VADDPS Z2, Z1, Z4 \
	VADDPS Z0, Z4, Z4 \
	VSUBPS Z2, Z1, Z5 \
	VSUBPS Z3, Z5, Z5

// A result with bias, and with what is to be added, if its address is not 0.
#define PUTY2X512(n, y, plain, skip) \
	MOVQ (n*8)(R8), DI \
	TESTQ DI, DI       \
	JZ   skip          \
	ADDQ R14, DI       \
	VADDPS Z7, y, y    \
	TESTQ R15, R15     \
	JZ   plain         \
	VADDPS.Z (DI)(R13*1), y, K1, y

// func wino2Out512(a *winoOutArgs)
TEXT ·wino2Out512(SB), NOSPLIT, $8-8
	MOVQ a+0(FP), DX
	MOVQ WinoOutArgs_Src(DX), R11  // M
	MOVQ WinoOutArgs_Stride(DX), R10  // from one ξ to the next
	MOVQ WinoOutArgs_Channels(DX), CX  // channels
	MOVQ WinoOutArgs_Results(DX), R8  // results
	MOVQ WinoOutArgs_Bias(DX), BP  // bias
	MOVQ WinoOutArgs_Add(DX), R15 // whether to add
	MOVQ WinoOutArgs_Delta(DX), R13 // what lies so far away
	LEAQ (R10)(R10*2), R12
	XORQ R14, R14

group:
	LANES2(full)

full:
	KMOVW AX, K1
	VMOVUPS (BP)(R14*1), Z7
	LEAQ (R11)(R14*1), BX
	LEAQ (BX)(R10*4), SI
	LEAQ (SI)(R10*4), R9
	LEAQ (R9)(R10*4), DX
	OUTCOLUMN2X512(VADDPS, VADDPS, (BX), (SI), (R9), Z0)
	OUTCOLUMN2X512(VADDPS, VADDPS, (BX)(R10*1), (SI)(R10*1), (R9)(R10*1), Z1)
	OUTCOLUMN2X512(VADDPS, VADDPS, (BX)(R10*2), (SI)(R10*2), (R9)(R10*2), Z2)
	OUTCOLUMN2X512(VADDPS, VADDPS, (BX)(R12*1), (SI)(R12*1), (R9)(R12*1), Z3)
	AT2X512
	PUTY2X512(0, Z4, plain0, skip0)

plain0:
	VMOVUPS Z4, K1, (DI)

skip0:
	PUTY2X512(1, Z5, plain1, skip1)

plain1:
	VMOVUPS Z5, K1, (DI)

skip1:
	OUTCOLUMN2X512(VSUBPS, VSUBPS, (R9), (SI), (DX), Z0)
	OUTCOLUMN2X512(VSUBPS, VSUBPS, (R9)(R10*1), (SI)(R10*1), (DX)(R10*1), Z1)
	OUTCOLUMN2X512(VSUBPS, VSUBPS, (R9)(R10*2), (SI)(R10*2), (DX)(R10*2), Z2)
	OUTCOLUMN2X512(VSUBPS, VSUBPS, (R9)(R12*1), (SI)(R12*1), (DX)(R12*1), Z3)
	AT2X512
	PUTY2X512(2, Z4, plain2, skip2)

plain2:
	VMOVUPS Z4, K1, (DI)

skip2:
	PUTY2X512(3, Z5, plain3, skip3)

plain3:
	VMOVUPS Z5, K1, (DI)

skip3:
	ADDQ $64, R14
	SUBQ $16, CX
	JGT  group
	VZEROUPPER
	RET

// Half the sum or difference (op) of the elements a and b to y.
#define MIDDLE2X512(op, a, b, y) \
	VMOVUPS a, y \
	op b, y, y   \
	VMULPS Z12, y, y

// The same sum and the element c.
#define RIM2X512(c, a, b, y) \
	MIDDLE2X512(VADDPS, a, b, y) \
	VADDPS c, y, y

// Three taps of a row.
#define TAPS2X512 \
	VADDPS Z2, Z1, Z4        \
	VMULPS Z12, Z4, Z4       \
	VSUBPS Z2, Z1, Z5        \
	VMULPS Z12, Z5, Z5       \
	VADDPS Z4, Z0, Z0        \
	VADDPS Z4, Z3, Z3        \
	VMOVUPS Z0, (R13)        \
	VMOVUPS Z5, (R13)(R11*1) \
	VMOVUPS Z3, (R13)(R11*2) \
	ADDQ R14, R13

// func wino2FilterGrad512(a *winoFilterArgs)
TEXT ·wino2FilterGrad512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // ξ = 0
	MOVQ WinoFilterArgs_Tap(DX), R10  // from one ξ to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // the filters
	MOVQ WinoFilterArgs_Words(DX), CX  // words
	MOVQ CX, R11
	SHLQ $2, R11     // bytes from one tap to the next
	LEAQ (R11)(R11*2), R14
	LEAQ (R10)(R10*2), R12
	VBROADCASTSS half2<>(SB), Z12

vector:
	LEAQ (SI)(R10*4), R8
	LEAQ (R8)(R10*4), R9
	LEAQ (R9)(R10*4), BX
	MOVQ DI, R13
	RIM2X512((SI), (R8), (R9), Z0)
	RIM2X512((SI)(R10*1), (R8)(R10*1), (R9)(R10*1), Z1)
	RIM2X512((SI)(R10*2), (R8)(R10*2), (R9)(R10*2), Z2)
	RIM2X512((SI)(R12*1), (R8)(R12*1), (R9)(R12*1), Z3)
	TAPS2X512
	MIDDLE2X512(VSUBPS, (R8), (R9), Z0)
	MIDDLE2X512(VSUBPS, (R8)(R10*1), (R9)(R10*1), Z1)
	MIDDLE2X512(VSUBPS, (R8)(R10*2), (R9)(R10*2), Z2)
	MIDDLE2X512(VSUBPS, (R8)(R12*1), (R9)(R12*1), Z3)
	TAPS2X512
	RIM2X512((BX), (R8), (R9), Z0)
	RIM2X512((BX)(R10*1), (R8)(R10*1), (R9)(R10*1), Z1)
	RIM2X512((BX)(R10*2), (R8)(R10*2), (R9)(R10*2), Z2)
	RIM2X512((BX)(R12*1), (R8)(R12*1), (R9)(R12*1), Z3)
	TAPS2X512
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGT  vector
	VZEROUPPER
	RET
