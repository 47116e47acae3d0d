#include "go_asm.h"
#include "textflag.h"
#include "../../vec/neon_arm64.h"

// Winograd's transforms of F(2x2,3x3), four channels at a time; the number of channels is
// a multiple of four. Operation by operation those of AVX2, so with the same bits. A whole
// tile is in vectors 16-31. R14 counts the bytes of channels done.

DATA half<>+0(SB)/4, $0x3f000000 // 1/2
GLOBL half<>(SB), RODATA|NOPTR, $4

// Pixel i of the tile, whose addresses are at R8.
#define PIXEL(i, v) \
	MOVD (i*8)(R8), R0 \
	LDQX(0, 14, v)

// An element ξ to R1, and on to the next (R10).
#define PUT(v) \
	STQ(1, 0, v) \
	ADD R10, R1

// Of vectors 0-3: 0-2, 1+2, 2-1 and 1-3, a row of Bᵀ d B.
#define BROW \
	FSUB4S(0, 2, 4) \
	FADD4S(1, 2, 5) \
	FSUB4S(2, 1, 6) \
	FSUB4S(1, 3, 7) \
	PUT(4)          \
	PUT(5)          \
	PUT(6)          \
	PUT(7)

#define INARGS \
	MOVD a+0(FP), R20                 \
	MOVD WinoInArgs_Pixels(R20), R8   \
	MOVD WinoInArgs_Channels(R20), R2 \
	MOVD WinoInArgs_Dst(R20), R11     \
	MOVD WinoInArgs_Stride(R20), R10  \
	MOVD $0, R14

// A row of the transform, of the sums or differences (op) of rows a and b of the tile,
// whose row i begins in vector 16+4i.
#define INROW(op, a, b) \
	op(16+4*a, 16+4*b, 0) \
	op(17+4*a, 17+4*b, 1) \
	op(18+4*a, 18+4*b, 2) \
	op(19+4*a, 19+4*b, 3) \
	BROW

// func wino2InNEON(a *WinoInArgs)
TEXT ·wino2InNEON(SB), NOSPLIT, $0-8
	INARGS

group:
	PIXEL(0, 16)
	PIXEL(1, 17)
	PIXEL(2, 18)
	PIXEL(3, 19)
	PIXEL(4, 20)
	PIXEL(5, 21)
	PIXEL(6, 22)
	PIXEL(7, 23)
	PIXEL(8, 24)
	PIXEL(9, 25)
	PIXEL(10, 26)
	PIXEL(11, 27)
	PIXEL(12, 28)
	PIXEL(13, 29)
	PIXEL(14, 30)
	PIXEL(15, 31)
	ADD  R14, R11, R1
	INROW(FSUB4S, 0, 2)
	INROW(FADD4S, 1, 2)
	INROW(FSUB4S, 2, 1)
	INROW(FSUB4S, 1, 3)
	ADD  $16, R14
	SUBS $4, R2
	BGT  group
	RET

// A row of A dY Aᵀ, of its two columns a and b; 15 is zero.
#define GRADROW(a, b) \
	FADD4S(a, b, 8)   \
	FSUB4S(a, b, 9)   \
	FSUB4S(15, b, 10) \
	PUT(a)            \
	PUT(8)            \
	PUT(9)            \
	PUT(10)

// func wino2GradNEON(a *WinoInArgs)
TEXT ·wino2GradNEON(SB), NOSPLIT, $0-8
	INARGS
	ZERO4S(15)

group:
	ADD  R14, R11, R1
	PIXEL(0, 0)
	PIXEL(1, 1)
	PIXEL(2, 2)
	PIXEL(3, 3)
	GRADROW(0, 1)
	FADD4S(0, 2, 4)
	FADD4S(1, 3, 5)
	GRADROW(4, 5)
	FSUB4S(0, 2, 4)
	FSUB4S(1, 3, 5)
	GRADROW(4, 5)
	FSUB4S(15, 2, 4)
	FSUB4S(15, 3, 5)
	GRADROW(4, 5)
	ADD  $16, R14
	SUBS $4, R2
	BGT  group
	RET

#define HALF 15

#define FILTERARGS \
	MOVD a+0(FP), R20                    \
	MOVD WinoFilterArgs_Src(R20), R1     \
	MOVD WinoFilterArgs_Tap(R20), R3     \
	MOVD WinoFilterArgs_Dst(R20), R11    \
	MOVD WinoFilterArgs_Words(R20), R2   \
	MOVD $half<>(SB), R0                 \
	LDALL4S(0, HALF)                     \
	LSL  $2, R2, R10                     \
	MOVD $0, R14

// The next tap, or element ξ, of those at R0, to v.
#define NEXT(v) \
	LDQ(0, 0, v) \
	ADD R3, R0

// func wino2FilterNEON(a *WinoFilterArgs)
TEXT ·wino2FilterNEON(SB), NOSPLIT, $0-8
	FILTERARGS
	MOVD WinoFilterArgs_Row(R20), R4 // a row of G
	LDSON(4, 4, 20)
	LDSON(4, 4, 21)
	LDSON(4, 4, 22)
	DUP4S(20, 20)
	DUP4S(21, 21)
	DUP4S(22, 22)
	MOVD WinoFilterArgs_Flipped(R20), R5
	CBZ  R5, forward
	ADD  R3<<3, R1
	NEG  R3, R3

forward:
	MOVD R1, R4

vector:
	ADD  R14, R4, R0
	NEXT(3)
	NEXT(4)
	NEXT(5)
	FMUL4S(3, 20, 0)
	FMUL4S(4, 20, 1)
	FMUL4S(5, 20, 2)
	NEXT(3)
	NEXT(4)
	NEXT(5)
	FMLA4S(3, 21, 0)
	FMLA4S(4, 21, 1)
	FMLA4S(5, 21, 2)
	NEXT(3)
	NEXT(4)
	NEXT(5)
	FMLA4S(3, 22, 0)
	FMLA4S(4, 22, 1)
	FMLA4S(5, 22, 2)
	FADD4S(0, 2, 3)
	FADD4S(3, 1, 4)
	FSUB4S(3, 1, 5)
	FMUL4S(4, HALF, 4)
	FMUL4S(5, HALF, 5)
	ADD  R14, R11, R1
	PUT(0)
	PUT(4)
	PUT(5)
	PUT(2)
	ADD  $16, R14
	SUBS $4, R2
	BGT  vector
	RET

// Three taps of a row, of vectors 0-3, to R1.
#define TAPS \
	FADD4S(1, 2, 4)    \
	FMUL4S(4, HALF, 4) \
	FSUB4S(1, 2, 5)    \
	FMUL4S(5, HALF, 5) \
	FADD4S(0, 4, 0)    \
	FADD4S(3, 4, 3)    \
	PUT(0)             \
	PUT(5)             \
	PUT(3)

// Half the sum of b and c with a; half the difference of b and c.
#define RIM(a, b, c, v) \
	FADD4S(b, c, v)    \
	FMUL4S(v, HALF, v) \
	FADD4S(v, a, v)

#define MIDDLE(b, c, v) \
	FSUB4S(b, c, v)    \
	FMUL4S(v, HALF, v)

// func wino2FilterGradNEON(a *WinoFilterArgs)
TEXT ·wino2FilterGradNEON(SB), NOSPLIT, $0-8
	FILTERARGS
	MOVD R1, R4

vector:
	ADD  R14, R4, R0
	NEXT(16)
	NEXT(17)
	NEXT(18)
	NEXT(19)
	NEXT(20)
	NEXT(21)
	NEXT(22)
	NEXT(23)
	NEXT(24)
	NEXT(25)
	NEXT(26)
	NEXT(27)
	NEXT(28)
	NEXT(29)
	NEXT(30)
	NEXT(31)
	ADD  R14, R11, R1
	RIM(16, 20, 24, 0)
	RIM(17, 21, 25, 1)
	RIM(18, 22, 26, 2)
	RIM(19, 23, 27, 3)
	TAPS
	MIDDLE(20, 24, 0)
	MIDDLE(21, 25, 1)
	MIDDLE(22, 26, 2)
	MIDDLE(23, 27, 3)
	TAPS
	RIM(28, 20, 24, 0)
	RIM(29, 21, 25, 1)
	RIM(30, 22, 26, 2)
	RIM(31, 23, 27, 3)
	TAPS
	ADD  $16, R14
	SUBS $4, R2
	BGT  vector
	RET

// Aᵀ m: of the elements of a column, a + b + c in that order, and b - c - d.
#define SUMS(a, b, c, v) \
	FADD4S(b, a, v) \
	FADD4S(v, c, v)

#define DIFFERENCES(b, c, d, v) \
	FSUB4S(b, c, v) \
	FSUB4S(v, d, v)

// The two results of a row of sums, vectors 0-3, to 4 and 5.
#define AT \
	FADD4S(1, 2, 4) \
	FADD4S(4, 0, 4) \
	FSUB4S(1, 2, 5) \
	FSUB4S(5, 3, 5)

// Result n in v with the bias (vector 14), and with what lies R13 bytes from it if R15 is
// not 0; none where its address is 0.
#define RESULT(n, v, plain, skip) \
	MOVD (n*8)(R8), R0 \
	CBZ  R0, skip      \
	ADD  R14, R0       \
	FADD4S(v, 14, v)   \
	CBZ  R15, plain    \
	LDQX(0, 13, 15)    \
	FADD4S(v, 15, v)   \
plain:               \
	STQ(0, 0, v)       \
skip:

// func wino2OutNEON(a *WinoOutArgs)
TEXT ·wino2OutNEON(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD WinoOutArgs_Src(R20), R4
	MOVD WinoOutArgs_Stride(R20), R3 // from one ξ to the next
	MOVD WinoOutArgs_Channels(R20), R2
	MOVD WinoOutArgs_Results(R20), R8
	MOVD WinoOutArgs_Bias(R20), R5
	MOVD WinoOutArgs_Add(R20), R15
	MOVD WinoOutArgs_Delta(R20), R13
	MOVD $0, R14

group:
	LDQX(5, 14, 14)
	ADD  R14, R4, R0
	NEXT(16)
	NEXT(17)
	NEXT(18)
	NEXT(19)
	NEXT(20)
	NEXT(21)
	NEXT(22)
	NEXT(23)
	NEXT(24)
	NEXT(25)
	NEXT(26)
	NEXT(27)
	NEXT(28)
	NEXT(29)
	NEXT(30)
	NEXT(31)
	SUMS(16, 20, 24, 0)
	SUMS(17, 21, 25, 1)
	SUMS(18, 22, 26, 2)
	SUMS(19, 23, 27, 3)
	AT
	RESULT(0, 4, plain0, skip0)
	RESULT(1, 5, plain1, skip1)
	DIFFERENCES(20, 24, 28, 0)
	DIFFERENCES(21, 25, 29, 1)
	DIFFERENCES(22, 26, 30, 2)
	DIFFERENCES(23, 27, 31, 3)
	AT
	RESULT(2, 4, plain2, skip2)
	RESULT(3, 5, plain3, skip3)
	ADD  $16, R14
	SUBS $4, R2
	BGT  group
	RET
