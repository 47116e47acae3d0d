#include "lanes256_amd64.h"
#include "kernels_amd64.h"

// func exp256(dst, x *float32, n int)
TEXT ·exp256(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, EXPOP)

// func silu256(dst, x *float32, n int)
TEXT ·silu256(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, SILU)

// func gelu256(dst, x *float32, n int)
TEXT ·gelu256(SB), NOSPLIT, $0-24
	UNARY(PHICONST, GELU)

// func quickGELU256(dst, x *float32, n int)
TEXT ·quickGELU256(SB), NOSPLIT, $0-24
	UNARY(QUICKCONST, QUICKGELU)

// func relu256(dst, x *float32, n int)
TEXT ·relu256(SB), NOSPLIT, $0-24
	UNARY(ZERO10, RELU)

// func add256(dst, x, y *float32, n int)
TEXT ·add256(SB), NOSPLIT, $0-32
	BINARY(NONE, ADDOP)

// func sub256(dst, x, y *float32, n int)
TEXT ·sub256(SB), NOSPLIT, $0-32
	BINARY(NONE, SUBOP)

// func mul256(dst, x, y *float32, n int)
TEXT ·mul256(SB), NOSPLIT, $0-32
	BINARY(NONE, MULOP)

// func div256(dst, x, y *float32, n int)
TEXT ·div256(SB), NOSPLIT, $0-32
	BINARY(NONE, DIVOP)

// func maximum256(dst, x, y *float32, n int)
TEXT ·maximum256(SB), NOSPLIT, $0-32
	BINARY(NONE, MAXOP)

// func siluGrad256(dst, x, y *float32, n int)
TEXT ·siluGrad256(SB), NOSPLIT, $0-32
	BINARY(EXPCONST, SILUGRAD)

// func geluGrad256(dst, x, y *float32, n int)
TEXT ·geluGrad256(SB), NOSPLIT, $0-32
	BINARY(PHICONST, GELUGRAD)

// func reluGrad256(dst, x, y *float32, n int)
TEXT ·reluGrad256(SB), NOSPLIT, $0-32
	BINARY(NONE, RELUGRAD)

// func geglu256(dst, x, y *float32, n int)
TEXT ·geglu256(SB), NOSPLIT, $0-32
	BINARY(PHICONST, GEGLU)

// func affine256(dst, x *float32, n int, a, b float32)
TEXT ·affine256(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS a+24(FP), V12
	VBROADCASTSS b+28(FP), V13
	EACH(AFFINE, NONE)
	DONE

// func scaledSum256(dst, x, y *float32, n int, a, b float32)
TEXT ·scaledSum256(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS a+32(FP), V12
	VBROADCASTSS b+36(FP), V13
	EACH(SCALEDSUM, NONE)
	DONE
