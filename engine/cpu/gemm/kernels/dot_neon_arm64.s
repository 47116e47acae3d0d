#include "go_asm.h"
#include "textflag.h"
#include "../../vec/neon_arm64.h"

// Products of float32 in tiles of 8 rows by 8 columns. Row r of a tile is in vectors
// 16+2r and 17+2r.

// Term i (of four in vector r) of row r, with two vectors of weights.
#define TERM(r, i, lo, hi) \
	FMLALANE4S(lo, r, i, 16+2*r) \
	FMLALANE4S(hi, r, i, 17+2*r)

#define TERMS(i, lo, hi) \
	TERM(0, i, lo, hi) \
	TERM(1, i, lo, hi) \
	TERM(2, i, lo, hi) \
	TERM(3, i, lo, hi) \
	TERM(4, i, lo, hi) \
	TERM(5, i, lo, hi) \
	TERM(6, i, lo, hi) \
	TERM(7, i, lo, hi)

// A row of results, then the next; done when R3 rows have been stored.
#define STORE(lo, hi) \
	STPQ(0, 0, lo, hi) \
	ADD  R1, R0        \
	SUBS $1, R3        \
	BEQ  done

#define STOREADD(lo, hi) \
	LDPQ(2, 0, 0, 1)   \
	FADD4S(lo, 0, lo)  \
	FADD4S(hi, 1, hi)  \
	ADD  R1, R2        \
	STORE(lo, hi)

// func dot8x8(a *DotArgs)
//
// Four terms at a time: vectors 0-7 are those of the rows at R0-R7, 8-15 their weights at
// R8. That is 64 multiply-adds for 12 loads, 8 of one vector and 4 of two.
TEXT ·dot8x8(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD DotArgs_Table(R20), R21
	MOVD DotArgs_Taps(R20), R22
	MOVD DotArgs_Depth(R20), R23
	MOVD DotArgs_B(R20), R8
	MOVD DotArgs_Bias(R20), R9
	LDPQ(9, 0, 16, 17)
	MOV16B(16, 18)
	MOV16B(17, 19)
	MOV16B(16, 20)
	MOV16B(17, 21)
	MOV16B(16, 22)
	MOV16B(17, 23)
	MOV16B(16, 24)
	MOV16B(17, 25)
	MOV16B(16, 26)
	MOV16B(17, 27)
	MOV16B(16, 28)
	MOV16B(17, 29)
	MOV16B(16, 30)
	MOV16B(17, 31)

tap:
	LDP.P 16(R21), (R0, R1)
	LDP.P 16(R21), (R2, R3)
	LDP.P 16(R21), (R4, R5)
	LDP.P 16(R21), (R6, R7)
	AND  $3, R23, R10
	LSR  $2, R23, R11
	CBZ  R11, rest

four:
	LDQON(0, 16, 0)
	LDQON(1, 16, 1)
	LDPQON(8, 32, 8, 9)
	LDQON(2, 16, 2)
	LDQON(3, 16, 3)
	LDQON(4, 16, 4)
	LDQON(5, 16, 5)
	LDQON(6, 16, 6)
	LDQON(7, 16, 7)
	LDPQON(8, 32, 10, 11)
	TERMS(0, 8, 9)
	LDPQON(8, 32, 12, 13)
	TERMS(1, 10, 11)
	LDPQON(8, 32, 14, 15)
	TERMS(2, 12, 13)
	TERMS(3, 14, 15)
	SUBS $1, R11
	BNE  four

rest:
	CBZ  R10, next
	LDSON(0, 4, 0)
	LDSON(1, 4, 1)
	LDSON(2, 4, 2)
	LDSON(3, 4, 3)
	LDSON(4, 4, 4)
	LDSON(5, 4, 5)
	LDSON(6, 4, 6)
	LDSON(7, 4, 7)
	LDPQON(8, 32, 8, 9)
	TERMS(0, 8, 9)
	SUB  $1, R10
	B    rest

next:
	SUBS $1, R22
	BNE  tap

	MOVWU DotArgs_Mask(R20), R4
	CMP  $0xff, R4
	BNE  partial
	MOVD DotArgs_Y(R20), R0
	MOVD DotArgs_Stride(R20), R1
	MOVD DotArgs_Add(R20), R2
	MOVD DotArgs_Valid(R20), R3
	CBNZ R2, add
	STORE(16, 17)
	STORE(18, 19)
	STORE(20, 21)
	STORE(22, 23)
	STORE(24, 25)
	STORE(26, 27)
	STORE(28, 29)
	STORE(30, 31)

add:
	STOREADD(16, 17)
	STOREADD(18, 19)
	STOREADD(20, 21)
	STOREADD(22, 23)
	STOREADD(24, 25)
	STOREADD(26, 27)
	STOREADD(28, 29)
	STOREADD(30, 31)

partial: // fewer columns: leave the tile in the buffer
	MOVD DotArgs_Partial(R20), R0
	STPQON(0, 32, 16, 17)
	STPQON(0, 32, 18, 19)
	STPQON(0, 32, 20, 21)
	STPQON(0, 32, 22, 23)
	STPQON(0, 32, 24, 25)
	STPQON(0, 32, 26, 27)
	STPQON(0, 32, 28, 29)
	STPQON(0, 32, 30, 31)

done:
	RET

// The x of rows 0-3 in vector 0, of 4-7 in 1, with the vector of d for columns 0-3 (side
// 0) or 4-7 (1).
#define OUTER(side, d) \
	FMLALANE4S(d, 0, 0, 16+side) \
	FMLALANE4S(d, 0, 1, 18+side) \
	FMLALANE4S(d, 0, 2, 20+side) \
	FMLALANE4S(d, 0, 3, 22+side) \
	FMLALANE4S(d, 1, 0, 24+side) \
	FMLALANE4S(d, 1, 1, 26+side) \
	FMLALANE4S(d, 1, 2, 28+side) \
	FMLALANE4S(d, 1, 3, 30+side)

// Adds a row to the sums at R0, and goes on to the next.
#define SUM(lo, hi) \
	LDPQ(0, 0, 0, 1)  \
	FADD4S(lo, 0, lo) \
	FADD4S(hi, 1, hi) \
	STPQON(0, 32, lo, hi)

// func outer8x8(a *OuterArgs)
//
// 16 multiply-adds for two loads of two vectors. Where there are at most four columns the
// others are not read; of five to seven all eight are, which have room in a panel.
TEXT ·outer8x8(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD OuterArgs_Segments(R20), R21
	MOVD OuterArgs_Count(R20), R22
	MOVD OuterArgs_StrideX(R20), R3
	MOVD OuterArgs_StrideD(R20), R4
	MOVWU OuterArgs_Mask(R20), R5
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

segment:
	MOVD Segment_X(R21), R0
	MOVD Segment_D(R21), R1
	MOVD Segment_Count(R21), R2
	ADD  $Segment__size, R21
	CMP  $0xf, R5
	BLE  narrow

point:
	LDPQ(0, 0, 0, 1)
	LDPQ(1, 0, 2, 3)
	ADD  R3, R0
	ADD  R4, R1
	OUTER(0, 2)
	OUTER(1, 3)
	SUBS $1, R2
	BNE  point
	B    next

narrow:
	LDPQ(0, 0, 0, 1)
	LDQ(1, 0, 2)
	ADD  R3, R0
	ADD  R4, R1
	OUTER(0, 2)
	SUBS $1, R2
	BNE  narrow

next:
	SUBS $1, R22
	BNE  segment

	MOVD OuterArgs_Y(R20), R0
	SUM(16, 17)
	SUM(18, 19)
	SUM(20, 21)
	SUM(22, 23)
	SUM(24, 25)
	SUM(26, 27)
	SUM(28, 29)
	SUM(30, 31)
	RET

// func panel8(a *PanelArgs)
TEXT ·panel8(SB), NOSPLIT, $0-8
	MOVD a+0(FP), R20
	MOVD PanelArgs_Dst(R20), R0
	MOVD PanelArgs_Segments(R20), R21
	MOVD PanelArgs_Count(R20), R22
	MOVD PanelArgs_Stride(R20), R3

segment:
	MOVD Segment_D(R21), R1
	MOVD Segment_Count(R21), R2
	MOVD R0, Segment_D(R21)
	ADD  $Segment__size, R21

point:
	LDPQ(1, 0, 0, 1)
	ADD  R3, R1
	STPQON(0, 32, 0, 1)
	SUBS $1, R2
	BNE  point
	SUBS $1, R22
	BNE  segment
	RET

// func fmaNEON(n int) runs n·24 independent fused multiply-adds on 4 lanes.
TEXT ·fmaNEON(SB), NOSPLIT, $0-8
	MOVD n+0(FP), R0
	ZERO4S(0)

roof:
	FMLA4S(0, 0, 8)
	FMLA4S(0, 0, 9)
	FMLA4S(0, 0, 10)
	FMLA4S(0, 0, 11)
	FMLA4S(0, 0, 12)
	FMLA4S(0, 0, 13)
	FMLA4S(0, 0, 14)
	FMLA4S(0, 0, 15)
	FMLA4S(0, 0, 16)
	FMLA4S(0, 0, 17)
	FMLA4S(0, 0, 18)
	FMLA4S(0, 0, 19)
	FMLA4S(0, 0, 20)
	FMLA4S(0, 0, 21)
	FMLA4S(0, 0, 22)
	FMLA4S(0, 0, 23)
	FMLA4S(0, 0, 24)
	FMLA4S(0, 0, 25)
	FMLA4S(0, 0, 26)
	FMLA4S(0, 0, 27)
	FMLA4S(0, 0, 28)
	FMLA4S(0, 0, 29)
	FMLA4S(0, 0, 30)
	FMLA4S(0, 0, 31)
	SUBS $1, R0
	BNE  roof
	RET
