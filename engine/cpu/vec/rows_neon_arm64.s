#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "functions_arm64.h"

// Operations on rows of channels; see rowArgs. R8 is the number of rows, R11 the length of a
// row in bytes and R12 its whole vectors; R10 counts the bytes of a row's channels done.
#define ROWARGS \
	MOVD a+0(FP), R13        \
	MOVD rowArgs_rows(R13), R8 \
	MOVD rowArgs_c(R13), R11 \
	LSL  $2, R11, R11        \
	BIC  $15, R11, R12       \
	MOVD rowArgs_x(R13), R1  \
	MOVD rowArgs_y(R13), R0  \
	MOVD rowArgs_d(R13), R2  \
	MOVD rowArgs_p0(R13), R3 \
	MOVD rowArgs_p1(R13), R4 \
	MOVD rowArgs_p2(R13), R5 \
	MOVD rowArgs_p3(R13), R6 \
	MOVD rowArgs_p4(R13), R7 \
	MOVD rowArgs_p5(R13), R14

// Runs through all rows one after the other: what belongs to the channels is loaded (PRE)
// before a row's vector, and stored (POST) behind it.
#define ROWS(PRE, ROW, POST) \
row:                     \
	CBZ  R8, end           \
	MOVD $0, R10           \
lane:                    \
	CMP  R12, R10          \
	BGE  tail              \
	PRE(FULL)              \
	ROW(FULL, FULLST, 1)   \
	POST(FULLST)           \
	ADD  $16, R10          \
	B    lane              \
tail:                    \
	CMP  R11, R10          \
	BGE  next              \
	PRE(PART)              \
	ROW(PART, PARTST, 1)   \
	POST(PARTST)           \
	ADD  $4, R10           \
	B    tail              \
next:                    \
	ADD  R11, R0           \
	ADD  R11, R1           \
	ADD  R11, R2           \
	SUB  $1, R8            \
	B    row               \
end:                     \
	RET

// Runs through rows that are only read, four at a time while there are four (the others
// at R15, R16 and R17), so that the channels' sums are loaded and stored once for them;
// sums are in the order of rows all the same.
#define SUMROWS(PRE, ROW, POST) \
four:                     \
	CMP  $4, R8             \
	BLT  row                \
	ADD  R11, R1, R15       \
	ADD  R11, R15, R16      \
	ADD  R11, R16, R17      \
	MOVD $0, R10            \
lane4:                    \
	CMP  R12, R10           \
	BGE  tail4              \
	PRE(FULL)               \
	ROW(FULL, FULLST, 1)    \
	ROW(FULL, FULLST, 15)   \
	ROW(FULL, FULLST, 16)   \
	ROW(FULL, FULLST, 17)   \
	POST(FULLST)            \
	ADD  $16, R10           \
	B    lane4              \
tail4:                    \
	CMP  R11, R10           \
	BGE  next4              \
	PRE(PART)               \
	ROW(PART, PARTST, 1)    \
	ROW(PART, PARTST, 15)   \
	ROW(PART, PARTST, 16)   \
	ROW(PART, PARTST, 17)   \
	POST(PARTST)            \
	ADD  $4, R10            \
	B    tail4              \
next4:                    \
	ADD  R11, R17, R1       \
	SUB  $4, R8             \
	B    four               \
	ROWS(PRE, ROW, POST)

#define NOSTORE(ST)

#define AFFINEPRE(LD) \
	LD(3, 4) \
	LD(4, 5) \
	LD(5, 6)

// y = (x-p2)·p0 + p1
#define AFFINEROW(LD, ST, x) \
	LD(x, 0)        \
	FSUB4S(0, 6, 0) \
	FMLA4S(0, 4, 5) \
	ST(0, 5)

// y = SiLU((x-p2)·p0 + p1)
#define AFFINESILUROW(LD, ST, x) \
	LD(x, 0)        \
	FSUB4S(0, 6, 0) \
	FMLA4S(0, 4, 5) \
	SILU(5, 1)      \
	ST(0, 1)

// func affineRowsNEON(a *rowArgs)
TEXT ·affineRowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(AFFINEPRE, AFFINEROW, NOSTORE)

// func affineSiLURowsNEON(a *rowArgs)
TEXT ·affineSiLURowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	EXPCONST
	ROWS(AFFINEPRE, AFFINESILUROW, NOSTORE)

#define MOMENTSPRE(LD) \
	LD(3, 4) \
	LD(4, 5) \
	LD(5, 6)

#define MOMENTSPOST(ST) \
	ST(4, 5) \
	ST(5, 6)

// p1 += x-p0, p2 += (x-p0)²
#define MOMENTSROW(LD, ST, x) \
	LD(x, 0)        \
	FSUB4S(0, 4, 0) \
	FADD4S(5, 0, 5) \
	FMLA4S(0, 0, 6)

// func momentsRowsNEON(a *rowArgs)
TEXT ·momentsRowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	SUMROWS(MOMENTSPRE, MOMENTSROW, MOMENTSPOST)

#define SUMPRE(LD) LD(3, 5)
#define SUMPOST(ST) ST(3, 5)

// p0 += x
#define SUMROW(LD, ST, x) \
	LD(x, 0)        \
	FADD4S(5, 0, 5)

// func sumRowsNEON(a *rowArgs)
TEXT ·sumRowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	SUMROWS(SUMPRE, SUMROW, SUMPOST)

#define NORMPRE(LD) \
	LD(6, 4)  \
	LD(5, 7)  \
	LD(7, 5)  \
	LD(14, 6)

#define NORMPOST(ST) \
	ST(7, 5)  \
	ST(14, 6)

// y = d, p4 += d, p5 += d·(x-p3)·p2
#define NORMROW(LD, ST, x) \
	LD(x, 0)        \
	FSUB4S(0, 4, 0) \
	LD(2, 1)        \
	ST(0, 1)        \
	FMUL4S(0, 7, 3) \
	FADD4S(5, 1, 5) \
	FMLA4S(1, 3, 6)

// func normBackRowsNEON(a *rowArgs)
TEXT ·normBackRowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(NORMPRE, NORMROW, NORMPOST)

#define NORMSILUPRE(LD) \
	NORMPRE(LD) \
	LD(3, 2)    \
	LD(4, 10)

// The same with y = d·SiLU'((x-p3)·p0 + p1) in the place of d
#define NORMSILUROW(LD, ST, x) \
	LD(x, 0)            \
	FSUB4S(0, 4, 0)     \
	LD(2, 1)            \
	FMLA4S(0, 2, 10)    \
	SILUGRAD(10, 1, 12) \
	ST(0, 12)           \
	FMUL4S(0, 7, 3)     \
	FADD4S(5, 12, 5)    \
	FMLA4S(12, 3, 6)

// func normSiLUBackRowsNEON(a *rowArgs)
TEXT ·normSiLUBackRowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	EXPCONST
	ROWS(NORMSILUPRE, NORMSILUROW, NORMPOST)

#define COMBINEPRE(LD) \
	LD(3, 4) \
	LD(4, 5) \
	LD(5, 6) \
	LD(6, 7)

// y = y·p0 + (x-p3)·p1 + p2
#define COMBINEROW(LD, ST, x) \
	LD(0, 0)        \
	FMLA4S(0, 4, 6) \
	LD(x, 1)        \
	FSUB4S(1, 7, 1) \
	FMLA4S(1, 5, 6) \
	ST(0, 6)

// func combineRowsNEON(a *rowArgs)
TEXT ·combineRowsNEON(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(COMBINEPRE, COMBINEROW, NOSTORE)
