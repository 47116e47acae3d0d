#include "lanes512_amd64.h"
#include "kernels_amd64.h"

// func exp512(dst, x *float32, n int)
TEXT ·exp512(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, EXPOP)

// func silu512(dst, x *float32, n int)
TEXT ·silu512(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, SILU)

// func gelu512(dst, x *float32, n int)
TEXT ·gelu512(SB), NOSPLIT, $0-24
	UNARY(PHICONST, GELU)

// func quickGELU512(dst, x *float32, n int)
TEXT ·quickGELU512(SB), NOSPLIT, $0-24
	UNARY(QUICKCONST, QUICKGELU)

// func relu512(dst, x *float32, n int)
TEXT ·relu512(SB), NOSPLIT, $0-24
	UNARY(ZERO10, RELU)

// func add512(dst, x, y *float32, n int)
TEXT ·add512(SB), NOSPLIT, $0-32
	BINARY(NONE, ADDOP)

// func sub512(dst, x, y *float32, n int)
TEXT ·sub512(SB), NOSPLIT, $0-32
	BINARY(NONE, SUBOP)

// func mul512(dst, x, y *float32, n int)
TEXT ·mul512(SB), NOSPLIT, $0-32
	BINARY(NONE, MULOP)

// func div512(dst, x, y *float32, n int)
TEXT ·div512(SB), NOSPLIT, $0-32
	BINARY(NONE, DIVOP)

// func maximum512(dst, x, y *float32, n int)
TEXT ·maximum512(SB), NOSPLIT, $0-32
	BINARY(NONE, MAXOP)

// func siluGrad512(dst, x, y *float32, n int)
TEXT ·siluGrad512(SB), NOSPLIT, $0-32
	BINARY(EXPCONST, SILUGRAD)

// func geluGrad512(dst, x, y *float32, n int)
TEXT ·geluGrad512(SB), NOSPLIT, $0-32
	BINARY(PHICONST, GELUGRAD)

// func reluGrad512(dst, x, y *float32, n int)
TEXT ·reluGrad512(SB), NOSPLIT, $0-32
	BINARY(NONE, RELUGRAD)

// func geglu512(dst, x, y *float32, n int)
TEXT ·geglu512(SB), NOSPLIT, $0-32
	BINARY(PHICONST, GEGLU)

// func affine512(dst, x *float32, n int, a, b float32)
TEXT ·affine512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS a+24(FP), V12
	VBROADCASTSS b+28(FP), V13
	EACH(AFFINE, NONE)
	DONE

// func scaledSum512(dst, x, y *float32, n int, a, b float32)
TEXT ·scaledSum512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS a+32(FP), V12
	VBROADCASTSS b+36(FP), V13
	EACH(SCALEDSUM, NONE)
	DONE
