#include "textflag.h"
#include "../../vec/neon_arm64.h"
#include "../../vec/functions_arm64.h"

#define NORMARGS \
	MOVD dst+0(FP), R0   \
	MOVD x+8(FP), R1     \
	MOVD a+16(FP), R2    \
	MOVD beta+24(FP), R3 \
	MOVD mean+32(FP), R4 \
	MOVD n+40(FP), R8

// (x-mean)·a + beta, and OP of that.
#define NORMALISE(LD, ST, TRIM, OP) \
	LD(1, 0)        \
	LD(4, 1)        \
	FSUB4S(0, 1, 0) \
	LD(2, 1)        \
	LD(3, 2)        \
	FMLA4S(0, 1, 2) \
	OP(2, 3)        \
	ST(0, 3)

// func normalise(dst, x, a, beta, mean *float32, n int)
TEXT ·normalise(SB), NOSPLIT, $0-48
	NORMARGS
	EACH(NORMALISE, MOV16B)
	RET

// func normaliseSiLU(dst, x, a, beta, mean *float32, n int)
TEXT ·normaliseSiLU(SB), NOSPLIT, $0-48
	NORMARGS
	EXPCONST
	EACH(NORMALISE, SILU)
	RET
