#include "textflag.h"
#include "neon_arm64.h"
#include "functions_arm64.h"

// Sums and maxima over arrays: x in R1, y in R2, n in R8.

// Runs STEP over R8 numbers: into vectors 16-23 in turn while there are 32, then into 16
// and 17 while there are 8, then into 16. A lane sums what a lane of AVX2 does.
#define FOLD(STEP, TRIM) \
	MOVD $0, R10     \
	LSL  $2, R8, R8  \
	BIC  $127, R8, R11 \
	BIC  $31, R8, R12  \
	BIC  $15, R8, R13  \
eights:            \ // Eight vectors at a time,
	CMP  R11, R10    \
	BGE  two         \
	STEP(16, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(17, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(18, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(19, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(20, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(21, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(22, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(23, FULL, WHOLE) \
	ADD  $16, R10    \
	B    eights      \
two:               \ // then two,
	CMP  R12, R10    \
	BGE  one         \
	STEP(16, FULL, WHOLE) \
	ADD  $16, R10    \
	STEP(17, FULL, WHOLE) \
	ADD  $16, R10    \
	B    two         \
one:               \ // then one,
	CMP  R13, R10    \
	BGE  tail        \
	STEP(16, FULL, WHOLE) \
	ADD  $16, R10    \
	B    one         \
tail:              \ // then numbers.
	CMP  R8, R10     \
	BGE  end         \
	STEP(16, PART, TRIM) \
	ADD  $4, R10     \
	B    tail        \
end:

#define SUMSTEP(acc, LD, TRIM) \
	LD(1, 0)            \
	FADD4S(acc, 0, acc)

#define DOTSTEP(acc, LD, TRIM) \
	LD(1, 0)            \
	LD(2, 1)            \
	FMLA4S(0, 1, acc)

#define DEVIATIONSTEP(acc, LD, TRIM) \
	LD(1, 0)            \
	FSUB4S(0, 12, 0)    \
	TRIM(0)             \
	FMLA4S(0, 0, acc)

#define MAXSTEP(acc, LD, TRIM) \
	LD(1, 0)            \
	TRIM(0)             \
	FMAXNM4S(acc, 0, acc)

#define SQUARESTEP(acc, LD, TRIM) \
	LD(1, 0)            \
	FCVTL2D(0, 1)       \
	FCVTL2_2D(0, 2)     \
	FMLA2D(1, 1, acc)   \
	FMLA2D(2, 2, acc)

#define SPREAD(d) DUP4S(d, d)

// Vectors 16-23 joined by OP to 16, in the order that AVX2 joins them.
#define JOIN8(OP) \
	OP(16, 18, 16) \
	OP(17, 19, 17) \
	OP(20, 22, 20) \
	OP(21, 23, 21) \
	OP(16, 20, 16) \
	OP(17, 21, 17) \
	OP(16, 17, 16)

// The sum of the lanes of v to its lane 0.
#define SUMLANES(v) \
	FADDP4S(v, v, v) \
	FADDP4S(v, v, v)

#define CLEAR8 \
	ZERO4S(16) \
	ZERO4S(17) \
	ZERO4S(18) \
	ZERO4S(19) \
	ZERO4S(20) \
	ZERO4S(21) \
	ZERO4S(22) \
	ZERO4S(23)

// exp(x-shift), added up in vectors 10 and 13 by turns.
#define EXPSUM(LD, ST, TRIM, acc) \
	LD(1, 0)           \
	FSUB4S(0, 12, 0)   \
	EXP(0, 9, 1)       \
	ST(0, 1)           \
	TRIM(1)            \
	FADD4S(acc, 1, acc)

// func expSumNEON(dst, x *float32, n int, shift float32) float32
TEXT ·expSumNEON(SB), NOSPLIT, $0-36
	MOVD  dst+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  n+16(FP), R8
	EXPCONST
	FMOVS shift+24(FP), F12
	DUP4S(12, 12)
	ZERO4S(10)
	ZERO4S(13)
	MOVD  $0, R10
	LSL   $2, R8, R8
	BIC   $31, R8, R12

two:
	CMP  R12, R10
	BGE  tail
	EXPSUM(FULL, FULLST, WHOLE, 10)
	ADD  $16, R10
	EXPSUM(FULL, FULLST, WHOLE, 13)
	ADD  $16, R10
	B    two

tail:
	CMP  R8, R10
	BGE  end
	EXPSUM(PART, PARTST, CUT, 10)
	ADD  $4, R10
	B    tail

end:
	FADD4S(10, 13, 10)
	SUMLANES(10)
	FMOVS F10, ret+32(FP)
	RET

// func maxNEON(x *float32, n int) float32
TEXT ·maxNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R1
	MOVD n+8(FP), R8
	LDALL4S(1, 16)
	MOV16B(16, 17)
	MOV16B(16, 18)
	MOV16B(16, 19)
	MOV16B(16, 20)
	MOV16B(16, 21)
	MOV16B(16, 22)
	MOV16B(16, 23)
	FOLD(MAXSTEP, SPREAD)
	JOIN8(FMAXNM4S)
	FMAXNMV4S(16, 16)
	FMOVS F16, ret+16(FP)
	RET

// func sumNEON(x *float32, n int) float32
TEXT ·sumNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R1
	MOVD n+8(FP), R8
	CLEAR8
	FOLD(SUMSTEP, WHOLE)
	JOIN8(FADD4S)
	SUMLANES(16)
	FMOVS F16, ret+16(FP)
	RET

// func deviationNEON(x *float32, n int, mean float32) float32
TEXT ·deviationNEON(SB), NOSPLIT, $0-28
	MOVD  x+0(FP), R1
	MOVD  n+8(FP), R8
	FMOVS mean+16(FP), F12
	DUP4S(12, 12)
	CLEAR8
	FOLD(DEVIATIONSTEP, CUT)
	JOIN8(FADD4S)
	SUMLANES(16)
	FMOVS F16, ret+24(FP)
	RET

// func dotNEON(x, y *float32, n int) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-28
	MOVD x+0(FP), R1
	MOVD y+8(FP), R2
	MOVD n+16(FP), R8
	CLEAR8
	FOLD(DOTSTEP, WHOLE)
	JOIN8(FADD4S)
	SUMLANES(16)
	FMOVS F16, ret+24(FP)
	RET

// func squaredNormNEON(x *float32, n int) float64
TEXT ·squaredNormNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R1
	MOVD n+8(FP), R8
	CLEAR8
	FOLD(SQUARESTEP, WHOLE)
	JOIN8(FADD2D)
	FADDP2D(16, 16)
	FMOVD F16, ret+16(FP)
	RET
