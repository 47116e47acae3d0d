#include "go_asm.h"
#include "textflag.h"
#include "../../vec/neon_arm64.h"

// Winograd's transforms of F(4x4,3x3), four channels at a time; the number of channels is
// a multiple of four. Operation by operation those of AVX2, so with the same bits. R14
// counts the bytes of channels done.

DATA factors<>+0(SB)/4, $0x40000000  // 2
DATA factors<>+4(SB)/4, $0x40800000  // 4
DATA factors<>+8(SB)/4, $0x40a00000  // 5
DATA factors<>+12(SB)/4, $0x41000000 // 8
DATA factors<>+16(SB)/4, $0x3e800000 // 1/4
DATA factors<>+20(SB)/4, $0x3e2aaaab // 1/6
DATA factors<>+24(SB)/4, $0x3d2aaaab // 1/24
DATA factors<>+28(SB)/4, $0x3daaaaab // 1/12
GLOBL factors<>(SB), RODATA|NOPTR, $32

#define TWO 24
#define FOUR 25
#define FIVE 26
#define EIGHT 27
#define QUARTER 28
#define SIXTH 29
#define TWENTYFOURTH 30
#define TWELFTH 31

#define FACTORS \
	MOVD $factors<>(SB), R0 \
	LDSON(0, 4, TWO)           \
	LDSON(0, 4, FOUR)          \
	LDSON(0, 4, FIVE)          \
	LDSON(0, 4, EIGHT)         \
	LDSON(0, 4, QUARTER)       \
	LDSON(0, 4, SIXTH)         \
	LDSON(0, 4, TWENTYFOURTH)  \
	LDSON(0, 4, TWELFTH)       \
	DUP4S(TWO, TWO)            \
	DUP4S(FOUR, FOUR)          \
	DUP4S(FIVE, FIVE)          \
	DUP4S(EIGHT, EIGHT)        \
	DUP4S(QUARTER, QUARTER)    \
	DUP4S(SIXTH, SIXTH)        \
	DUP4S(TWENTYFOURTH, TWENTYFOURTH) \
	DUP4S(TWELFTH, TWELFTH)

// Bᵀ of vectors 0-5 to 6-11; 12 and 13 are lost.
#define BT \
	MOV16B(4, 6)         \
	FMLA4S(FOUR, 0, 6)   \
	FMLS4S(FIVE, 2, 6)   \
	MOV16B(4, 12)        \
	FMLS4S(FOUR, 2, 12)  \
	MOV16B(3, 13)        \
	FMLS4S(FOUR, 1, 13)  \
	FADD4S(12, 13, 7)    \
	FSUB4S(12, 13, 8)    \
	FSUB4S(4, 2, 9)      \
	FSUB4S(3, 1, 13)     \
	MOV16B(9, 10)        \
	FMLA4S(TWO, 13, 9)   \
	FMLS4S(TWO, 13, 10)  \
	MOV16B(5, 11)        \
	FMLA4S(FOUR, 1, 11)  \
	FMLS4S(FIVE, 3, 11)

// Pixel i of the tile, whose addresses are at R8.
#define PIXEL(i, v) \
	MOVD (i*8)(R8), R0 \
	LDQX(0, 14, v)

// Column j of the tile to column j of [6][6] vectors at R9.
#define INCOLUMN(j) \
	PIXEL((j), 0)            \
	PIXEL((6+j), 1)          \
	PIXEL((12+j), 2)         \
	PIXEL((18+j), 3)         \
	PIXEL((24+j), 4)         \
	PIXEL((30+j), 5)         \
	BT                       \
	STQ(9, (0+j)*16, 6)      \
	STQ(9, (6+j)*16, 7)      \
	STQ(9, (12+j)*16, 8)     \
	STQ(9, (18+j)*16, 9)     \
	STQ(9, (24+j)*16, 10)    \
	STQ(9, (30+j)*16, 11)

// Six vectors of row i of what lies at R9.
#define ROW6(i) \
	LDPQ(9, i*96, 0, 1)    \
	LDPQ(9, i*96+32, 2, 3) \
	LDPQ(9, i*96+64, 4, 5)

// An element ξ to R1, and on to the next (R10).
#define PUT(v) \
	STQ(1, 0, v) \
	ADD R10, R1

#define PUT6 \
	PUT(6)  \
	PUT(7)  \
	PUT(8)  \
	PUT(9)  \
	PUT(10) \
	PUT(11)

#define INROW(i) \
	ROW6(i) \
	BT      \
	PUT6

#define INARGS \
	MOVD a+0(FP), R20                \
	MOVD WinoInArgs_Pixels(R20), R8  \
	MOVD WinoInArgs_Channels(R20), R2 \
	MOVD WinoInArgs_Dst(R20), R11    \
	MOVD WinoInArgs_Stride(R20), R10 \
	MOVD WinoInArgs_Tmp(R20), R9     \
	FACTORS                          \
	MOVD $0, R14

// func winoInNEON(a *WinoInArgs)
TEXT ·winoInNEON(SB), NOSPLIT, $0-8
	INARGS

group:
	INCOLUMN(0)
	INCOLUMN(1)
	INCOLUMN(2)
	INCOLUMN(3)
	INCOLUMN(4)
	INCOLUMN(5)
	ADD  R14, R11, R1
	INROW(0)
	INROW(1)
	INROW(2)
	INROW(3)
	INROW(4)
	INROW(5)
	ADD  $16, R14
	SUBS $4, R2
	BGT  group
	RET

// A of vectors 0-3 to 6-11; 12 and 13 are lost.
#define AMAP \
	FADD4S(0, 2, 12)     \
	FADD4S(1, 3, 13)     \
	FADD4S(12, 13, 7)    \
	FSUB4S(12, 13, 8)    \
	MOV16B(0, 12)        \
	FMLA4S(FOUR, 2, 12)  \
	FMUL4S(1, TWO, 13)   \
	FMLA4S(EIGHT, 3, 13) \
	FADD4S(12, 13, 9)    \
	FSUB4S(12, 13, 10)   \
	MOV16B(0, 6)         \
	MOV16B(3, 11)

// Column j of 4x4 gradients to column j of [6][4] vectors at R9.
#define GRADCOLUMN(j) \
	PIXEL((j), 0)         \
	PIXEL((4+j), 1)       \
	PIXEL((8+j), 2)       \
	PIXEL((12+j), 3)      \
	AMAP                  \
	STQ(9, (0+j)*16, 6)   \
	STQ(9, (4+j)*16, 7)   \
	STQ(9, (8+j)*16, 8)   \
	STQ(9, (12+j)*16, 9)  \
	STQ(9, (16+j)*16, 10) \
	STQ(9, (20+j)*16, 11)

#define GRADROW(i) \
	LDPQ(9, i*64, 0, 1)    \
	LDPQ(9, i*64+32, 2, 3) \
	AMAP                   \
	PUT6

// func winoGradNEON(a *WinoInArgs)
TEXT ·winoGradNEON(SB), NOSPLIT, $0-8
	INARGS

group:
	GRADCOLUMN(0)
	GRADCOLUMN(1)
	GRADCOLUMN(2)
	GRADCOLUMN(3)
	ADD  R14, R11, R1
	GRADROW(0)
	GRADROW(1)
	GRADROW(2)
	GRADROW(3)
	GRADROW(4)
	GRADROW(5)
	ADD  $16, R14
	SUBS $4, R2
	BGT  group
	RET

// Aᵀ of vectors 0-5 to 6-9; 10-12 are lost.
#define AT \
	FADD4S(1, 2, 10)     \
	FSUB4S(1, 2, 7)      \
	FADD4S(3, 4, 11)     \
	FSUB4S(3, 4, 12)     \
	FADD4S(0, 10, 6)     \
	FADD4S(6, 11, 6)     \
	FADD4S(7, 5, 9)      \
	FMLA4S(EIGHT, 12, 9) \
	FMLA4S(TWO, 12, 7)   \
	MOV16B(10, 8)        \
	FMLA4S(FOUR, 11, 8)

// Column j of M, six elements R11 apart from R1 on, to column j of [4][6] vectors at R9.
#define OUTCOLUMN(j) \
	MOVD R1, R0          \
	LDQ(0, 0, 0)         \
	ADD  R11, R0         \
	LDQ(0, 0, 1)         \
	ADD  R11, R0         \
	LDQ(0, 0, 2)         \
	ADD  R11, R0         \
	LDQ(0, 0, 3)         \
	ADD  R11, R0         \
	LDQ(0, 0, 4)         \
	ADD  R11, R0         \
	LDQ(0, 0, 5)         \
	AT                   \
	STQ(9, (0+j)*16, 6)  \
	STQ(9, (6+j)*16, 7)  \
	STQ(9, (12+j)*16, 8) \
	STQ(9, (18+j)*16, 9) \
	ADD  R10, R1

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

#define OUTROW(i) \
	ROW6(i) \
	AT

// func winoOutNEON(a *WinoOutArgs)
TEXT ·winoOutNEON(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD WinoOutArgs_Src(R20), R3
	MOVD WinoOutArgs_Stride(R20), R10  // from one ξ to the next
	MOVD WinoOutArgs_Channels(R20), R2
	MOVD WinoOutArgs_Results(R20), R8
	MOVD WinoOutArgs_Bias(R20), R4
	MOVD WinoOutArgs_Add(R20), R15
	MOVD WinoOutArgs_Delta(R20), R13
	MOVD WinoOutArgs_Tmp(R20), R9
	FACTORS
	ADD  R10<<1, R10, R11
	LSL  $1, R11, R11 // six ξ
	MOVD $0, R14

group:
	ADD  R14, R3, R1
	OUTCOLUMN(0)
	OUTCOLUMN(1)
	OUTCOLUMN(2)
	OUTCOLUMN(3)
	OUTCOLUMN(4)
	OUTCOLUMN(5)
	LDQX(4, 14, 14)
	OUTROW(0)
	RESULT(0, 6, plain0, skip0)
	RESULT(1, 7, plain1, skip1)
	RESULT(2, 8, plain2, skip2)
	RESULT(3, 9, plain3, skip3)
	OUTROW(1)
	RESULT(4, 6, plain4, skip4)
	RESULT(5, 7, plain5, skip5)
	RESULT(6, 8, plain6, skip6)
	RESULT(7, 9, plain7, skip7)
	OUTROW(2)
	RESULT(8, 6, plain8, skip8)
	RESULT(9, 7, plain9, skip9)
	RESULT(10, 8, plain10, skip10)
	RESULT(11, 9, plain11, skip11)
	OUTROW(3)
	RESULT(12, 6, plain12, skip12)
	RESULT(13, 7, plain13, skip13)
	RESULT(14, 8, plain14, skip14)
	RESULT(15, 9, plain15, skip15)
	ADD  $16, R14
	SUBS $4, R2
	BGT  group
	RET

// func winoFilterNEON(a *WinoFilterArgs)
TEXT ·winoFilterNEON(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD WinoFilterArgs_Src(R20), R1
	MOVD WinoFilterArgs_Tap(R20), R3 // from one tap to the next
	MOVD WinoFilterArgs_Dst(R20), R11
	MOVD WinoFilterArgs_Row(R20), R4 // a row of G
	MOVD WinoFilterArgs_Words(R20), R2
	MOVD WinoFilterArgs_Flipped(R20), R5
	FACTORS
	LDSON(4, 4, 20)
	LDSON(4, 4, 21)
	LDSON(4, 4, 22)
	DUP4S(20, 20)
	DUP4S(21, 21)
	DUP4S(22, 22)
	LSL  $2, R2, R10 // bytes from one j to the next
	CBZ  R5, forward
	ADD  R3<<3, R1
	NEG  R3, R3

forward:
	MOVD $0, R14

vector:
	ADD  R14, R1, R0
	LDQ(0, 0, 3)
	ADD  R3, R0
	LDQ(0, 0, 4)
	ADD  R3, R0
	LDQ(0, 0, 5)
	FMUL4S(3, 20, 0)
	FMUL4S(4, 20, 1)
	FMUL4S(5, 20, 2)
	ADD  R3, R0
	LDQ(0, 0, 3)
	ADD  R3, R0
	LDQ(0, 0, 4)
	ADD  R3, R0
	LDQ(0, 0, 5)
	FMLA4S(3, 21, 0)
	FMLA4S(4, 21, 1)
	FMLA4S(5, 21, 2)
	ADD  R3, R0
	LDQ(0, 0, 3)
	ADD  R3, R0
	LDQ(0, 0, 4)
	ADD  R3, R0
	LDQ(0, 0, 5)
	FMLA4S(3, 22, 0)
	FMLA4S(4, 22, 1)
	FMLA4S(5, 22, 2)
	FMUL4S(0, QUARTER, 6)
	FADD4S(0, 2, 4)
	FSUB4S(1, 4, 8) // w1 - (w0 + w2)
	FADD4S(4, 1, 7)
	FMUL4S(7, SIXTH, 7)
	FNEG4S(7, 7)
	FMUL4S(8, SIXTH, 8)
	FMUL4S(0, TWENTYFOURTH, 12)
	FMLA4S(SIXTH, 2, 12)
	FMUL4S(1, TWELFTH, 13)
	FADD4S(12, 13, 9)
	FSUB4S(12, 13, 10)
	MOV16B(2, 11)
	MOVD R1, R5
	ADD  R14, R11, R1
	PUT6
	MOVD R5, R1
	ADD  $16, R14
	SUBS $4, R2
	BGT  vector
	RET

// Gᵀ of vectors 0-5 to 10, 11 and 5; 6-9 are lost.
#define GT \
	FADD4S(1, 2, 6)             \
	FSUB4S(2, 1, 7)             \
	FADD4S(3, 4, 8)             \
	FSUB4S(3, 4, 9)             \
	FMUL4S(0, QUARTER, 10)      \
	FMLS4S(SIXTH, 6, 10)        \
	FMLA4S(TWENTYFOURTH, 8, 10) \
	FMUL4S(7, SIXTH, 11)        \
	FMLA4S(TWELFTH, 9, 11)      \
	FMLS4S(SIXTH, 6, 5)         \
	FMLA4S(SIXTH, 8, 5)

// Column j of the elements ξ, six R11 apart from R1 on, to column j of [3][6] vectors.
#define FILTERCOLUMN(j) \
	MOVD R1, R0            \
	LDQ(0, 0, 0)           \
	ADD  R11, R0           \
	LDQ(0, 0, 1)           \
	ADD  R11, R0           \
	LDQ(0, 0, 2)           \
	ADD  R11, R0           \
	LDQ(0, 0, 3)           \
	ADD  R11, R0           \
	LDQ(0, 0, 4)           \
	ADD  R11, R0           \
	LDQ(0, 0, 5)           \
	GT                     \
	STQ(9, j*16, 10)       \
	STQ(9, (6+j)*16, 11)   \
	STQ(9, (12+j)*16, 5)   \
	ADD  R3, R1

// Three taps of row i to R12, R10 apart.
#define FILTERROW(i) \
	ROW6(i)         \
	GT              \
	STQ(12, 0, 10)  \
	ADD  R10, R12   \
	STQ(12, 0, 11)  \
	ADD  R10, R12   \
	STQ(12, 0, 5)   \
	ADD  R10, R12

// func winoFilterGradNEON(a *WinoFilterArgs)
TEXT ·winoFilterGradNEON(SB), NOSPLIT, $304-8
	MOVD a+0(FP), R20
	MOVD WinoFilterArgs_Src(R20), R4
	MOVD WinoFilterArgs_Tap(R20), R3 // from one ξ to the next
	MOVD WinoFilterArgs_Dst(R20), R5
	MOVD WinoFilterArgs_Words(R20), R2
	FACTORS
	MOVD $rows-296(SP), R9
	LSL  $2, R2, R10 // bytes from one tap to the next
	ADD  R3<<1, R3, R11
	LSL  $1, R11, R11 // six ξ
	MOVD $0, R14

vector:
	ADD  R14, R4, R1
	FILTERCOLUMN(0)
	FILTERCOLUMN(1)
	FILTERCOLUMN(2)
	FILTERCOLUMN(3)
	FILTERCOLUMN(4)
	FILTERCOLUMN(5)
	ADD  R14, R5, R12
	FILTERROW(0)
	FILTERROW(1)
	FILTERROW(2)
	ADD  $16, R14
	SUBS $4, R2
	BGT  vector
	RET
