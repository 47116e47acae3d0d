#include "go_asm.h"
#include "textflag.h"
#include "../../vec/neon_arm64.h"
#include "../../vec/functions_arm64.h"

// Tiles of bfloat16 with BFMMLA, which adds the product of two rows of four numbers and two
// columns of four to 2x2 sums.

// Vector 16+4i+j has the sums of rows 2i and 2i+1 and columns 2j and 2j+1 of eight by eight.
// Those of two rows at R0 + at and 128 bytes on, to vectors v to v+3.
#define LOADSUMS(at, v) \
	LDPQ(0, at, 0, 1)       \
	LDPQ(0, (at+128), 2, 3) \
	ZIP1_2D(0, 2, v)        \
	ZIP2_2D(0, 2, v+1)      \
	ZIP1_2D(1, 3, v+2)      \
	ZIP2_2D(1, 3, v+3)

#define STORESUMS(at, v) \
	ZIP1_2D(v, v+1, 0)      \
	ZIP1_2D(v+2, v+3, 1)    \
	ZIP2_2D(v, v+1, 2)      \
	ZIP2_2D(v+2, v+3, 3)    \
	STPQ(0, at, 0, 1)       \
	STPQ(0, (at+128), 2, 3)

// Eight numbers of two rows, at pointers p and q: four of each to low, four to high.
#define ROWS2(p, q, low, high) \
	LDQON(p, 16, 8)       \
	LDQON(q, 16, 9)       \
	ZIP1_2D(8, 9, low)    \
	ZIP2_2D(8, 9, high)

// Four numbers of eight columns, from two rows of words at R8: two columns to each of 12-15.
#define COLUMNS8 \
	LDPQ(8, 0, 8, 9)      \
	ADD  R9, R8           \
	LDPQ(8, 0, 10, 11)    \
	ADD  R9, R8           \
	ZIP1_4S(8, 10, 12)    \
	ZIP2_4S(8, 10, 13)    \
	ZIP1_4S(9, 11, 14)    \
	ZIP2_4S(9, 11, 15)

#define PRODUCTS(a, v) \
	BFMMLA(a, 12, v)   \
	BFMMLA(a, 13, v+1) \
	BFMMLA(a, 14, v+2) \
	BFMMLA(a, 15, v+3)

// func tileBFMMLA(a *matrixArgs)
//
// Eight rows and eight columns at a time, with all taps and steps: R10 counts the eights of
// rows, R11 those of columns. Eight terms are 32 products for 16 loads and 16 exchanges of
// halves.
TEXT ·tileBFMMLA(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD matrixArgs_ldb(R20), R9
	MOVD $0, R10

rows:
	MOVD $0, R11

columns:
	MOVD matrixArgs_acc(R20), R12
	ADD  R10<<10, R12   // eight rows of 128 bytes
	ADD  R11<<5, R12    // eight columns of 4 bytes
	MOVD matrixArgs_resume(R20), R0
	CBZ  R0, clear
	MOVD R12, R0
	LOADSUMS(0, 16)
	LOADSUMS(256, 20)
	LOADSUMS(512, 24)
	LOADSUMS(768, 28)
	B    begin

clear:
	ZERO4S(16)
	ZERO4S(17)
	ZERO4S(18)
	ZERO4S(19)
	ZERO4S(20)
	ZERO4S(21)
	ZERO4S(22)
	ZERO4S(23)
	ZERO4S(24)
	ZERO4S(25)
	ZERO4S(26)
	ZERO4S(27)
	ZERO4S(28)
	ZERO4S(29)
	ZERO4S(30)
	ZERO4S(31)

begin:
	ADD  R10<<3, R20, R0
	MOVD matrixArgs_a(R0), R13 // a, of these rows
	MOVD matrixArgs_b(R20), R14 // b, of these columns
	AND  $1, R11, R0
	ADD  R0<<5, R14
	CMP  $2, R11
	BLT  left
	MOVD matrixArgs_second(R20), R0
	ADD  R0, R14

left:
	MOVD R14, R22 // where the next tap's b begins
	MOVD matrixArgs_offsets(R20), R15
	MOVD matrixArgs_offsetsB(R20), R16
	MOVD matrixArgs_taps(R20), R17

tap:
	CBZ  R16, behind
	MOVD.P 8(R16), R0
	ADD  R0, R14, R22

behind:
	MOVD.P 8(R15), R0
	ADD  R13, R0, R0
	MOVD matrixArgs_lda(R20), R8
	ADD  R8, R0, R1
	ADD  R8, R1, R2
	ADD  R8, R2, R3
	ADD  R8, R3, R4
	ADD  R8, R4, R5
	ADD  R8, R5, R6
	ADD  R8, R6, R7
	MOVD matrixArgs_steps(R20), R19

step:
	MOVD R22, R8
	MOVD $4, R21

eight:
	ROWS2(0, 1, 0, 1)
	ROWS2(2, 3, 2, 3)
	ROWS2(4, 5, 4, 5)
	ROWS2(6, 7, 6, 7)
	COLUMNS8
	PRODUCTS(0, 16)
	PRODUCTS(2, 20)
	PRODUCTS(4, 24)
	PRODUCTS(6, 28)
	COLUMNS8
	PRODUCTS(1, 16)
	PRODUCTS(3, 20)
	PRODUCTS(5, 24)
	PRODUCTS(7, 28)
	SUBS $1, R21
	BNE  eight

	MOVD matrixArgs_next(R20), R8
	ADD  R8, R22
	SUBS $1, R19
	BNE  step
	SUBS $1, R17
	BNE  tap

	MOVD R12, R0
	STORESUMS(0, 16)
	STORESUMS(256, 20)
	STORESUMS(512, 24)
	STORESUMS(768, 28)
	ADD  $1, R11
	CMP  $4, R11
	BLT  columns
	ADD  $1, R10
	CMP  $4, R10
	BLT  rows
	RET

// Two vectors of a row: sums at R0, bias in v and w, what to add R5 bytes behind the result
// at R6 if R4 is not 0.
#define PUT2(at, v, w, plain) \
	LDPQ(0, at, 0, 1)  \
	FADD4S(0, v, 0)    \
	FADD4S(1, w, 1)    \
	CBZ  R4, plain     \
	LDPQ(7, at, 2, 3)  \
	FADD4S(0, 2, 0)    \
	FADD4S(1, 3, 1)    \
plain:               \
	STPQ(6, at, 0, 1)

// func putWhole(p *PutArgs)
TEXT ·putWhole(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R20
	MOVD PutArgs_Acc(R20), R0
	MOVD PutArgs_Rows(R20), R1
	MOVD PutArgs_Count(R20), R2
	MOVD PutArgs_Bias(R20), R3
	MOVD PutArgs_Add(R20), R4
	MOVD PutArgs_Delta(R20), R5
	MOVD PutArgs_Shift(R20), R8
	LDPQ(3, 0, 16, 17)
	LDPQ(3, 32, 18, 19)
	LDPQ(3, 64, 20, 21)
	LDPQ(3, 96, 22, 23)

row:
	MOVD.P 8(R1), R6
	CBZ  R6, next
	ADD  R8, R6
	ADD  R5, R6, R7
	PUT2(0, 16, 17, plain0)
	PUT2(32, 18, 19, plain1)
	PUT2(64, 20, 21, plain2)
	PUT2(96, 22, 23, plain3)

next:
	ADD  $128, R0
	SUBS $1, R2
	BNE  row
	RET

// func gateRow(dst, sums, bias *float32)
TEXT ·gateRow(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD sums+8(FP), R1
	MOVD bias+16(FP), R2
	ADD  $4096, R1, R3 // the gates
	PHICONST
	MOVD $8, R4

vector:
	LDQ(2, 0, 0)
	LDQ(2, 128, 1)
	LDQON(1, 16, 2)
	LDQON(3, 16, 3)
	FADD4S(2, 0, 0)
	FADD4S(3, 1, 1)
	GEGLU(0, 1, 2)
	STQON(0, 16, 2)
	ADD  $16, R2
	SUBS $1, R4
	BNE  vector
	RET
