#include "go_asm.h"
#include "textflag.h"

// Transforms of F(2x2,3x3) with AVX2, eight channels at a time; the number of
// channels is a multiple of eight. Each row of a result is made from the rows it
// needs, so that nothing lies between in memory.

DATA half2x256<>+0(SB)/4, $0x3f000000 // 1/2
GLOBL half2x256<>(SB), RODATA|NOPTR, $4

// A pixel of the tile.
#define PIXEL2X256(i, y) \
	MOVQ (i*8)(R8), AX \
	VMOVUPS (AX)(R14*1), y

// Column j of rows a and b of the tile: their sum or difference (op) to y.
#define PAIR2X256(op, a, b, j, y) \
	PIXEL2X256((a*4+j), Y8) \
	PIXEL2X256((b*4+j), Y9) \
	op Y9, Y8, y

// A row of BᵀdB, of the sums or differences of rows a and b.
#define INROW2X256(op, a, b) \
	PAIR2X256(op, a, b, 0, Y0) \
	PAIR2X256(op, a, b, 1, Y1) \
	PAIR2X256(op, a, b, 2, Y2) \
	PAIR2X256(op, a, b, 3, Y3) \
	VSUBPS Y2, Y0, Y4          \
	VADDPS Y2, Y1, Y5          \
	VSUBPS Y1, Y2, Y6          \
	VSUBPS Y3, Y1, Y7          \
	VMOVUPS Y4, (DI)           \
	VMOVUPS Y5, (DI)(R10*1)    \
	VMOVUPS Y6, (DI)(R10*2)    \
	VMOVUPS Y7, (DI)(R12*1)    \
	LEAQ (DI)(R10*4), DI

// func wino2In256(a *winoInArgs)
TEXT ·wino2In256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // the result
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	LEAQ (R10)(R10*2), R12
	XORQ R14, R14

group:
	LEAQ (R11)(R14*1), DI
	INROW2X256(VSUBPS, 0, 2)
	INROW2X256(VADDPS, 1, 2)
	INROW2X256(VSUBPS, 2, 1)
	INROW2X256(VSUBPS, 1, 3)
	ADDQ $32, R14
	SUBQ $8, CX
	JGT  group
	VZEROUPPER
	RET

// A row of AyAᵀ, of its two columns a and b.
#define GRADROW2X256(a, b) \
	VADDPS b, a, Y8          \
	VSUBPS b, a, Y9          \
	VSUBPS b, Y15, Y10       \
	VMOVUPS a, (DI)          \
	VMOVUPS Y8, (DI)(R10*1)  \
	VMOVUPS Y9, (DI)(R10*2)  \
	VMOVUPS Y10, (DI)(R12*1) \
	LEAQ (DI)(R10*4), DI

// func wino2Grad256(a *winoInArgs)
TEXT ·wino2Grad256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // the result
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	LEAQ (R10)(R10*2), R12
	VXORPS Y15, Y15, Y15
	XORQ R14, R14

group:
	LEAQ (R11)(R14*1), DI
	PIXEL2X256(0, Y0)
	PIXEL2X256(1, Y1)
	PIXEL2X256(2, Y2)
	PIXEL2X256(3, Y3)
	GRADROW2X256(Y0, Y1)
	VADDPS Y2, Y0, Y4
	VADDPS Y3, Y1, Y5
	GRADROW2X256(Y4, Y5)
	VSUBPS Y2, Y0, Y4
	VSUBPS Y3, Y1, Y5
	GRADROW2X256(Y4, Y5)
	VSUBPS Y2, Y15, Y4
	VSUBPS Y3, Y15, Y5
	GRADROW2X256(Y4, Y5)
	ADDQ $32, R14
	SUBQ $8, CX
	JGT  group
	VZEROUPPER
	RET

// func wino2Filter256(a *winoFilterArgs)
TEXT ·wino2Filter256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // taps
	MOVQ WinoFilterArgs_Tap(DX), BX   // from one tap to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // U
	MOVQ WinoFilterArgs_Row(DX), AX  // a row of G
	VBROADCASTSS (AX), Y15
	VBROADCASTSS 4(AX), Y14
	VBROADCASTSS 8(AX), Y13
	VBROADCASTSS half2x256<>(SB), Y12
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
	VMULPS (SI), Y15, Y0
	VMULPS (SI)(BX*1), Y15, Y1
	VMULPS (SI)(BX*2), Y15, Y2
	VFMADD231PS (R8), Y14, Y0
	VFMADD231PS (R8)(BX*1), Y14, Y1
	VFMADD231PS (R8)(BX*2), Y14, Y2
	VFMADD231PS (R9), Y13, Y0
	VFMADD231PS (R9)(BX*1), Y13, Y1
	VFMADD231PS (R9)(BX*2), Y13, Y2
	VADDPS Y2, Y0, Y3
	VADDPS Y1, Y3, Y4
	VSUBPS Y1, Y3, Y5
	VMULPS Y12, Y4, Y4
	VMULPS Y12, Y5, Y5
	VMOVUPS Y0, (DI)
	VMOVUPS Y4, (DI)(R10*1)
	VMOVUPS Y5, (DI)(R10*2)
	VMOVUPS Y2, (DI)(R12*1)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JGT  vector
	VZEROUPPER
	RET

// A column of Aᵀm, of the elements a, b and c, to y.
#define OUTCOLUMN2X256(first, second, a, b, c, y) \
	VMOVUPS b, y   \
	VMOVUPS a, Y8  \
	VMOVUPS c, Y9  \
	first Y8, y, y \
	second Y9, y, y

// The two results of a row of sums Y0-Y3.
#define AT2X256 \
	VADDPS Y2, Y1, Y4 \
	VADDPS Y0, Y4, Y4 \
	VSUBPS Y2, Y1, Y5 \
	VSUBPS Y3, Y5, Y5

// A result with bias, and with what is to be added, if its address is not 0.
#define PUTY2X256(n, y, plain, skip) \
	MOVQ (n*8)(R8), DI \
	TESTQ DI, DI       \
	JZ   skip          \
	ADDQ R14, DI       \
	VADDPS Y7, y, y    \
	TESTQ R15, R15     \
	JZ   plain         \
	VADDPS (DI)(R13*1), y, y

// func wino2Out256(a *winoOutArgs)
TEXT ·wino2Out256(SB), NOSPLIT, $8-8
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
	VMOVUPS (BP)(R14*1), Y7
	LEAQ (R11)(R14*1), BX
	LEAQ (BX)(R10*4), SI
	LEAQ (SI)(R10*4), R9
	LEAQ (R9)(R10*4), DX
	OUTCOLUMN2X256(VADDPS, VADDPS, (BX), (SI), (R9), Y0)
	OUTCOLUMN2X256(VADDPS, VADDPS, (BX)(R10*1), (SI)(R10*1), (R9)(R10*1), Y1)
	OUTCOLUMN2X256(VADDPS, VADDPS, (BX)(R10*2), (SI)(R10*2), (R9)(R10*2), Y2)
	OUTCOLUMN2X256(VADDPS, VADDPS, (BX)(R12*1), (SI)(R12*1), (R9)(R12*1), Y3)
	AT2X256
	PUTY2X256(0, Y4, plain0, skip0)

plain0:
	VMOVUPS Y4, (DI)

skip0:
	PUTY2X256(1, Y5, plain1, skip1)

plain1:
	VMOVUPS Y5, (DI)

skip1:
	OUTCOLUMN2X256(VSUBPS, VSUBPS, (R9), (SI), (DX), Y0)
	OUTCOLUMN2X256(VSUBPS, VSUBPS, (R9)(R10*1), (SI)(R10*1), (DX)(R10*1), Y1)
	OUTCOLUMN2X256(VSUBPS, VSUBPS, (R9)(R10*2), (SI)(R10*2), (DX)(R10*2), Y2)
	OUTCOLUMN2X256(VSUBPS, VSUBPS, (R9)(R12*1), (SI)(R12*1), (DX)(R12*1), Y3)
	AT2X256
	PUTY2X256(2, Y4, plain2, skip2)

plain2:
	VMOVUPS Y4, (DI)

skip2:
	PUTY2X256(3, Y5, plain3, skip3)

plain3:
	VMOVUPS Y5, (DI)

skip3:
	ADDQ $32, R14
	SUBQ $8, CX
	JGT  group
	VZEROUPPER
	RET

// Half the sum or difference (op) of the elements a and b to y.
#define MIDDLE2X256(op, a, b, y) \
	VMOVUPS a, y \
	op b, y, y   \
	VMULPS Y12, y, y

// The same sum and the element c.
#define RIM2X256(c, a, b, y) \
	MIDDLE2X256(VADDPS, a, b, y) \
	VADDPS c, y, y

// Three taps of a row.
#define TAPS2X256 \
	VADDPS Y2, Y1, Y4        \
	VMULPS Y12, Y4, Y4       \
	VSUBPS Y2, Y1, Y5        \
	VMULPS Y12, Y5, Y5       \
	VADDPS Y4, Y0, Y0        \
	VADDPS Y4, Y3, Y3        \
	VMOVUPS Y0, (R13)        \
	VMOVUPS Y5, (R13)(R11*1) \
	VMOVUPS Y3, (R13)(R11*2) \
	ADDQ R14, R13

// func wino2FilterGrad256(a *winoFilterArgs)
TEXT ·wino2FilterGrad256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // ξ = 0
	MOVQ WinoFilterArgs_Tap(DX), R10  // from one ξ to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // the filters
	MOVQ WinoFilterArgs_Words(DX), CX  // words
	MOVQ CX, R11
	SHLQ $2, R11     // bytes from one tap to the next
	LEAQ (R11)(R11*2), R14
	LEAQ (R10)(R10*2), R12
	VBROADCASTSS half2x256<>(SB), Y12

vector:
	LEAQ (SI)(R10*4), R8
	LEAQ (R8)(R10*4), R9
	LEAQ (R9)(R10*4), BX
	MOVQ DI, R13
	RIM2X256((SI), (R8), (R9), Y0)
	RIM2X256((SI)(R10*1), (R8)(R10*1), (R9)(R10*1), Y1)
	RIM2X256((SI)(R10*2), (R8)(R10*2), (R9)(R10*2), Y2)
	RIM2X256((SI)(R12*1), (R8)(R12*1), (R9)(R12*1), Y3)
	TAPS2X256
	MIDDLE2X256(VSUBPS, (R8), (R9), Y0)
	MIDDLE2X256(VSUBPS, (R8)(R10*1), (R9)(R10*1), Y1)
	MIDDLE2X256(VSUBPS, (R8)(R10*2), (R9)(R10*2), Y2)
	MIDDLE2X256(VSUBPS, (R8)(R12*1), (R9)(R12*1), Y3)
	TAPS2X256
	RIM2X256((BX), (R8), (R9), Y0)
	RIM2X256((BX)(R10*1), (R8)(R10*1), (R9)(R10*1), Y1)
	RIM2X256((BX)(R10*2), (R8)(R10*2), (R9)(R10*2), Y2)
	RIM2X256((BX)(R12*1), (R8)(R12*1), (R9)(R12*1), Y3)
	TAPS2X256
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JGT  vector
	VZEROUPPER
	RET
