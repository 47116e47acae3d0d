#include "textflag.h"
#include "neon_arm64.h"
#include "functions_arm64.h"

// Functions of elements of whole arrays: dst in R0, x in R1, y in R2.

#define MAP1(LD, ST, TRIM, OP) \
	LD(1, 0)  \
	OP(0, 1)  \
	ST(0, 1)

#define MAP2(LD, ST, TRIM, OP) \
	LD(1, 0)    \
	LD(2, 1)    \
	OP(0, 1, 2) \
	ST(0, 2)

// A function of one array: (dst, x *float32, n int).
#define UNARY(CONST, OP) \
	MOVD dst+0(FP), R0 \
	MOVD x+8(FP), R1   \
	MOVD n+16(FP), R8  \
	CONST              \
	EACH(MAP1, OP)     \
	RET

// A function of two arrays: (dst, x, y *float32, n int).
#define BINARY(CONST, OP) \
	MOVD dst+0(FP), R0 \
	MOVD x+8(FP), R1   \
	MOVD y+16(FP), R2  \
	MOVD n+24(FP), R8  \
	CONST              \
	EACH(MAP2, OP)     \
	RET

// a·x + b
#define AFFINE(LD, ST, TRIM, OP) \
	LD(1, 0)         \
	MOV16B(13, 1)    \
	FMLA4S(0, 12, 1) \
	ST(0, 1)

// a·x + b·y
#define SCALEDSUM(LD, ST, TRIM, OP) \
	LD(1, 0)         \
	LD(2, 1)         \
	FMUL4S(1, 13, 1) \
	FMLA4S(0, 12, 1) \
	ST(0, 1)

// func expNEON(dst, x *float32, n int)
TEXT ·expNEON(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, EXPOP)

// func siluNEON(dst, x *float32, n int)
TEXT ·siluNEON(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, SILU)

// func geluNEON(dst, x *float32, n int)
TEXT ·geluNEON(SB), NOSPLIT, $0-24
	UNARY(PHICONST, GELU)

// func quickGELUNEON(dst, x *float32, n int)
TEXT ·quickGELUNEON(SB), NOSPLIT, $0-24
	UNARY(QUICKCONST, QUICKGELU)

// func reluNEON(dst, x *float32, n int)
TEXT ·reluNEON(SB), NOSPLIT, $0-24
	UNARY(NONE, RELU)

// func addNEON(dst, x, y *float32, n int)
TEXT ·addNEON(SB), NOSPLIT, $0-32
	BINARY(NONE, ADDOP)

// func subNEON(dst, x, y *float32, n int)
TEXT ·subNEON(SB), NOSPLIT, $0-32
	BINARY(NONE, SUBOP)

// func mulNEON(dst, x, y *float32, n int)
TEXT ·mulNEON(SB), NOSPLIT, $0-32
	BINARY(NONE, MULOP)

// func divNEON(dst, x, y *float32, n int)
TEXT ·divNEON(SB), NOSPLIT, $0-32
	BINARY(NONE, DIVOP)

// func maximumNEON(dst, x, y *float32, n int)
TEXT ·maximumNEON(SB), NOSPLIT, $0-32
	BINARY(NONE, MAXOP)

// func siluGradNEON(dst, x, y *float32, n int)
TEXT ·siluGradNEON(SB), NOSPLIT, $0-32
	BINARY(EXPCONST, SILUGRAD)

// func geluGradNEON(dst, x, y *float32, n int)
TEXT ·geluGradNEON(SB), NOSPLIT, $0-32
	BINARY(PHICONST, GELUGRAD)

// func reluGradNEON(dst, x, y *float32, n int)
TEXT ·reluGradNEON(SB), NOSPLIT, $0-32
	BINARY(NONE, RELUGRAD)

// func gegluNEON(dst, x, y *float32, n int)
TEXT ·gegluNEON(SB), NOSPLIT, $0-32
	BINARY(PHICONST, GEGLU)

// func affineNEON(dst, x *float32, n int, a, b float32)
TEXT ·affineNEON(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  n+16(FP), R8
	FMOVS a+24(FP), F12
	FMOVS b+28(FP), F13
	DUP4S(12, 12)
	DUP4S(13, 13)
	EACH(AFFINE, NONE)
	RET

// func scaledSumNEON(dst, x, y *float32, n int, a, b float32)
TEXT ·scaledSumNEON(SB), NOSPLIT, $0-40
	MOVD  dst+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  y+16(FP), R2
	MOVD  n+24(FP), R8
	FMOVS a+32(FP), F12
	FMOVS b+36(FP), F13
	DUP4S(12, 12)
	DUP4S(13, 13)
	EACH(SCALEDSUM, NONE)
	RET
