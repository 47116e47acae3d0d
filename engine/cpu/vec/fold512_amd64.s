#include "lanes512_amd64.h"
#include "kernels_amd64.h"
#include "folds_amd64.h"

// func expSum512(dst, x *float32, n int, shift float32) float32
TEXT ·expSum512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	EXPCONST
	VBROADCASTSS shift+24(FP), V12
	VXORPS V10, V10, V10
	EACH(EXPSUM, NONE)
	VMOVAPS V10, V0
	SUMLANES
	VMOVSS X0, ret+32(FP)
	DONE

// func max512(x *float32, n int) float32
TEXT ·max512(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS (SI), V0
	VMOVAPS V0, V1
	VMOVAPS V0, V2
	VMOVAPS V0, V3
	FOLD(MAXSTEP, KEEPMAX)
	MAX4
	VMOVSS X0, ret+16(FP)
	DONE

// func sum512(x *float32, n int) float32
TEXT ·sum512(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	CLEAR4
	FOLD(SUMSTEP, CUT)
	SUM4
	VMOVSS X0, ret+16(FP)
	DONE

// func deviation512(x *float32, n int, mean float32) float32
TEXT ·deviation512(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), V12
	CLEAR4
	FOLD(DEVIATIONSTEP, CUT)
	SUM4
	VMOVSS X0, ret+24(FP)
	DONE

// func dot512(x, y *float32, n int) float32
TEXT ·dot512(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DX
	MOVQ n+16(FP), CX
	CLEAR4
	FOLD(DOTSTEP, CUT)
	SUM4
	VMOVSS X0, ret+24(FP)
	DONE

// func squaredNorm512(x *float32, n int) float64
TEXT ·squaredNorm512(SB), NOSPLIT, $0-24
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	CLEAR4
	FOLD(SQUARESTEP, CUT)
	SQUARES4
	VMOVSD X0, ret+16(FP)
	DONE
