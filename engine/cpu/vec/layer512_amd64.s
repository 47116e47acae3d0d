#include "lanes512_amd64.h"
#include "kernels_amd64.h"
#include "folds_amd64.h"

// func gegluGrad512(dvalue, dgate, value, gate, dy *float32, n int)
TEXT ·gegluGrad512(SB), NOSPLIT, $0-48
	MOVQ dvalue+0(FP), DI
	MOVQ dgate+8(FP), R11
	MOVQ value+16(FP), SI
	MOVQ gate+24(FP), R10
	MOVQ dy+32(FP), DX
	MOVQ n+40(FP), CX
	PHICONST
	EACH(GEGLUGRAD, NONE)
	DONE

// func gegluBoth512(value, gate, dy *float32, n int)
TEXT ·gegluBoth512(SB), NOSPLIT, $0-32
	MOVQ value+0(FP), SI
	MOVQ gate+8(FP), R10
	MOVQ dy+16(FP), DX
	MOVQ n+24(FP), CX
	PHICONST
	EACH(GEGLUBOTH, NONE)
	DONE

// func softmaxGrad512(dx, y, dy *float32, n int, delta float32)
TEXT ·softmaxGrad512(SB), NOSPLIT, $0-36
	MOVQ dx+0(FP), DI
	MOVQ y+8(FP), SI
	MOVQ dy+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS delta+32(FP), V12
	EACH(SOFTMAXGRAD, NONE)
	DONE

// func layerNorm512(y, x, gamma, beta *float32, n int, mean, rstd float32)
TEXT ·layerNorm512(SB), NOSPLIT, $0-48
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ gamma+16(FP), R10
	MOVQ beta+24(FP), R11
	MOVQ n+32(FP), CX
	VBROADCASTSS mean+40(FP), V12
	VBROADCASTSS rstd+44(FP), V13
	EACH(LAYERNORM, NONE)
	DONE

// func layerNormSums512(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32)
TEXT ·layerNormSums512(SB), NOSPLIT, $0-64
	MOVQ x+0(FP), SI
	MOVQ dy+8(FP), DX
	MOVQ gamma+16(FP), R10
	MOVQ sum+24(FP), R11
	MOVQ dot+32(FP), R12
	MOVQ n+40(FP), CX
	VBROADCASTSS mean+48(FP), V12
	VBROADCASTSS rstd+52(FP), V13
	VXORPS V9, V9, V9
	VXORPS V10, V10, V10
	EACH(LAYERNORMSUMS, NONE)
	VMOVAPS V9, V0
	SUMLANES
	VMOVSS X0, m1+56(FP)
	VMOVAPS V10, V0
	SUMLANES
	VMOVSS X0, m2+60(FP)
	DONE

// func layerNormGrad512(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32)
TEXT ·layerNormGrad512(SB), NOSPLIT, $0-56
	MOVQ dx+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ dy+16(FP), DX
	MOVQ gamma+24(FP), R10
	MOVQ n+32(FP), CX
	VBROADCASTSS mean+40(FP), V12
	VBROADCASTSS rstd+44(FP), V13
	VBROADCASTSS m1+48(FP), V9
	VBROADCASTSS m2+52(FP), V10
	EACH(LAYERNORMGRAD, NONE)
	DONE

// func adamw512(p, m, v, grad *float32, n int, k *float32)
// k: scale, beta1, 1-beta1, beta2, 1-beta2, 1-rate·decay, rate/bias1, 1/sqrt(bias2), eps
TEXT ·adamw512(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), DI
	MOVQ m+8(FP), SI
	MOVQ v+16(FP), DX
	MOVQ grad+24(FP), R10
	MOVQ n+32(FP), CX
	MOVQ k+40(FP), R8
	VBROADCASTSS 0(R8), V4
	VBROADCASTSS 4(R8), V5
	VBROADCASTSS 8(R8), V6
	VBROADCASTSS 12(R8), V7
	VBROADCASTSS 16(R8), V8
	VBROADCASTSS 20(R8), V9
	VBROADCASTSS 24(R8), V10
	VBROADCASTSS 28(R8), V12
	VBROADCASTSS 32(R8), V13
	EACH(ADAMW, NONE)
	DONE

// func affineRows512(a *rowArgs)
TEXT ·affineRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(AFFINEPRE, AFFINEROW, NOSTORE)

// func affineSiLURows512(a *rowArgs)
TEXT ·affineSiLURows512(SB), NOSPLIT, $0-8
	ROWARGS
	EXPCONST
	ROWS(AFFINEPRE, AFFINESILUROW, NOSTORE)

// func momentsRows512(a *rowArgs)
TEXT ·momentsRows512(SB), NOSPLIT, $0-8
	ROWARGS
	SUMROWS(MOMENTSPRE, MOMENTSROW, MOMENTSPOST)

// func sumRows512(a *rowArgs)
TEXT ·sumRows512(SB), NOSPLIT, $0-8
	ROWARGS
	SUMROWS(SUMPRE, SUMROW, SUMPOST)

// func normBackRows512(a *rowArgs)
TEXT ·normBackRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(NORMPRE, NORMROW, NORMPOST)

// func normSiLUBackRows512(a *rowArgs)
TEXT ·normSiLUBackRows512(SB), NOSPLIT, $0-8
	ROWARGS
	EXPCONST
	ROWS(NORMSILUPRE, NORMSILUROW, NORMPOST)

// func combineRows512(a *rowArgs)
TEXT ·combineRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(COMBINEPRE, COMBINEROW, NOSTORE)
