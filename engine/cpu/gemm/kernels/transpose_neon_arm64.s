#include "textflag.h"
#include "../../vec/neon_arm64.h"

// The transpose of 4x4 words in vectors a-d, to 16-19. 20-23 are lost.
#define TURN4(a, b, c, d) \
	ZIP1_4S(a, b, 20)  \
	ZIP2_4S(a, b, 21)  \
	ZIP1_4S(c, d, 22)  \
	ZIP2_4S(c, d, 23)  \
	ZIP1_2D(20, 22, 16) \
	ZIP2_2D(20, 22, 17) \
	ZIP1_2D(21, 23, 18) \
	ZIP2_2D(21, 23, 19)

// A column of four rows to (p), and on to the next.
#define COLUMN(p, v, P) \
	STQ(p, 0, v) \
	ADD R1, P

// func transpose8(dst *uint32, ldd int, src *uint32, lds int)
TEXT ·transpose8(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD ldd+8(FP), R1
	MOVD src+16(FP), R2
	MOVD lds+24(FP), R3
	LDPQ(2, 0, 0, 8)
	ADD  R3, R2
	LDPQ(2, 0, 1, 9)
	ADD  R3, R2
	LDPQ(2, 0, 2, 10)
	ADD  R3, R2
	LDPQ(2, 0, 3, 11)
	ADD  R3, R2
	LDPQ(2, 0, 4, 12)
	ADD  R3, R2
	LDPQ(2, 0, 5, 13)
	ADD  R3, R2
	LDPQ(2, 0, 6, 14)
	ADD  R3, R2
	LDPQ(2, 0, 7, 15)
	ADD  $16, R0, R4 // rows 4-7 of src
	TURN4(0, 1, 2, 3)
	COLUMN(0, 16, R0)
	COLUMN(0, 17, R0)
	COLUMN(0, 18, R0)
	COLUMN(0, 19, R0)
	TURN4(8, 9, 10, 11)
	COLUMN(0, 16, R0)
	COLUMN(0, 17, R0)
	COLUMN(0, 18, R0)
	COLUMN(0, 19, R0)
	TURN4(4, 5, 6, 7)
	COLUMN(4, 16, R4)
	COLUMN(4, 17, R4)
	COLUMN(4, 18, R4)
	COLUMN(4, 19, R4)
	TURN4(12, 13, 14, 15)
	COLUMN(4, 16, R4)
	COLUMN(4, 17, R4)
	COLUMN(4, 18, R4)
	COLUMN(4, 19, R4)
	RET
