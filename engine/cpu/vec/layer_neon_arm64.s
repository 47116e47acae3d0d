#include "textflag.h"
#include "neon_arm64.h"
#include "functions_arm64.h"

// 0 = v, 2 = dy, 10 = GELU(g), 3 = GELU'(g), of v at R1, g at R3 and dy at R2.
#define GEGLUPARTS(LD) \
	LD(1, 0)                \
	LD(3, 1)                \
	LD(2, 2)                \
	PHI(1)                  \
	FMUL4S(12, DENSITY, 12) \
	MOV16B(10, 3)           \
	FMLA4S(12, 1, 3)        \
	FMUL4S(10, 1, 10)

// 10 = dy·GELU(g), 3 = dy·v·GELU'(g)
#define GEGLUBACK \
	FMUL4S(10, 2, 10) \
	FMUL4S(0, 2, 0)   \
	FMUL4S(3, 0, 3)

// The gradients of v·GELU(g): of v to R0, of g to R4.
#define GEGLUGRAD(LD, ST, TRIM, OP) \
	GEGLUPARTS(LD) \
	GEGLUBACK      \
	ST(0, 10)      \
	ST(4, 3)

// The same in place, and v·GELU(g) where dy was.
#define GEGLUBOTH(LD, ST, TRIM, OP) \
	GEGLUPARTS(LD)   \
	FMUL4S(10, 0, 4) \
	GEGLUBACK        \
	ST(1, 10)        \
	ST(3, 3)         \
	ST(2, 4)

// func gegluGradNEON(dvalue, dgate, value, gate, dy *float32, n int)
TEXT ·gegluGradNEON(SB), NOSPLIT, $0-48
	MOVD dvalue+0(FP), R0
	MOVD dgate+8(FP), R4
	MOVD value+16(FP), R1
	MOVD gate+24(FP), R3
	MOVD dy+32(FP), R2
	MOVD n+40(FP), R8
	PHICONST
	EACH(GEGLUGRAD, NONE)
	RET

// func gegluBothNEON(value, gate, dy *float32, n int)
TEXT ·gegluBothNEON(SB), NOSPLIT, $0-32
	MOVD value+0(FP), R1
	MOVD gate+8(FP), R3
	MOVD dy+16(FP), R2
	MOVD n+24(FP), R8
	PHICONST
	EACH(GEGLUBOTH, NONE)
	RET

// y·(dy - delta)
#define SOFTMAXGRAD(LD, ST, TRIM, OP) \
	LD(1, 0)         \
	LD(2, 1)         \
	FSUB4S(1, 12, 1) \
	FMUL4S(1, 0, 1)  \
	ST(0, 1)

// func softmaxGradNEON(dx, y, dy *float32, n int, delta float32)
TEXT ·softmaxGradNEON(SB), NOSPLIT, $0-36
	MOVD  dx+0(FP), R0
	MOVD  y+8(FP), R1
	MOVD  dy+16(FP), R2
	MOVD  n+24(FP), R8
	FMOVS delta+32(FP), F12
	DUP4S(12, 12)
	EACH(SOFTMAXGRAD, NONE)
	RET

// ((x-mean)·rstd)·gamma + beta
#define LAYERNORM(LD, ST, TRIM, OP) \
	LD(1, 0)         \
	FSUB4S(0, 12, 0) \
	FMUL4S(0, 13, 0) \
	LD(3, 1)         \
	LD(4, 2)         \
	FMLA4S(0, 1, 2)  \
	ST(0, 2)

// func layerNormNEON(y, x, gamma, beta *float32, n int, mean, rstd float32)
TEXT ·layerNormNEON(SB), NOSPLIT, $0-48
	MOVD  y+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  gamma+16(FP), R3
	MOVD  beta+24(FP), R4
	MOVD  n+32(FP), R8
	FMOVS mean+40(FP), F12
	FMOVS rstd+44(FP), F13
	DUP4S(12, 12)
	DUP4S(13, 13)
	EACH(LAYERNORM, NONE)
	RET

// sum += dy, dot += dy·x̂; 9 and 10 are the sums of gamma·dy and gamma·dy·x̂. A vector of
// one number has zeros in its other lanes: they add nothing but x̂'s, times zero.
#define LAYERNORMSUMS(LD, ST, TRIM, OP) \
	LD(1, 0)          \
	FSUB4S(0, 12, 0)  \
	FMUL4S(0, 13, 0)  \
	LD(2, 1)          \
	LD(3, 2)          \
	LD(4, 3)          \
	LD(5, 4)          \
	FADD4S(3, 1, 3)   \
	FMLA4S(1, 0, 4)   \
	FMUL4S(2, 1, 2)   \
	FADD4S(9, 2, 9)   \
	FMLA4S(2, 0, 10)  \
	ST(4, 3)          \
	ST(5, 4)

// func layerNormSumsNEON(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32)
TEXT ·layerNormSumsNEON(SB), NOSPLIT, $0-64
	MOVD  x+0(FP), R1
	MOVD  dy+8(FP), R2
	MOVD  gamma+16(FP), R3
	MOVD  sum+24(FP), R4
	MOVD  dot+32(FP), R5
	MOVD  n+40(FP), R8
	FMOVS mean+48(FP), F12
	FMOVS rstd+52(FP), F13
	DUP4S(12, 12)
	DUP4S(13, 13)
	ZERO4S(9)
	ZERO4S(10)
	EACH(LAYERNORMSUMS, NONE)
	FADDP4S(9, 9, 9)
	FADDP4S(9, 9, 9)
	FADDP4S(10, 10, 10)
	FADDP4S(10, 10, 10)
	FMOVS F9, m1+56(FP)
	FMOVS F10, m2+60(FP)
	RET

// rstd·(gamma·dy - m1 - x̂·m2); 9 is -m1.
#define LAYERNORMGRAD(LD, ST, TRIM, OP) \
	LD(1, 0)          \
	FSUB4S(0, 12, 0)  \
	FMUL4S(0, 13, 0)  \
	LD(2, 1)          \
	LD(3, 2)          \
	MOV16B(9, 3)      \
	FMLA4S(2, 1, 3)   \
	FMLS4S(0, 10, 3)  \
	FMUL4S(3, 13, 3)  \
	ST(0, 3)

// func layerNormGradNEON(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32)
TEXT ·layerNormGradNEON(SB), NOSPLIT, $0-56
	MOVD  dx+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  dy+16(FP), R2
	MOVD  gamma+24(FP), R3
	MOVD  n+32(FP), R8
	FMOVS mean+40(FP), F12
	FMOVS rstd+44(FP), F13
	FMOVS m1+48(FP), F9
	FMOVS m2+52(FP), F10
	DUP4S(12, 12)
	DUP4S(13, 13)
	DUP4S(9, 9)
	FNEG4S(9, 9)
	DUP4S(10, 10)
	EACH(LAYERNORMGRAD, NONE)
	RET

// p at R0, m at R1, v at R2, the gradient at R3; the nine constants in 16-24.
#define ADAMW(LD, ST, TRIM, OP) \
	LD(3, 3)          \
	LD(1, 1)          \
	LD(2, 2)          \
	LD(0, 0)          \
	FMUL4S(3, 16, 3)  \
	FMUL4S(1, 17, 1)  \
	FMLA4S(3, 18, 1)  \
	ST(1, 1)          \
	FMUL4S(2, 19, 2)  \
	FMUL4S(3, 3, 3)   \
	FMLA4S(3, 20, 2)  \
	ST(2, 2)          \
	FSQRT4S(2, 2)     \
	MOV16B(24, 4)     \
	FMLA4S(2, 23, 4)  \
	FMUL4S(1, 22, 1)  \
	FDIV4S(1, 4, 1)   \
	FMUL4S(0, 21, 0)  \
	FSUB4S(0, 1, 0)   \
	ST(0, 0)

// func adamwNEON(p, m, v, grad *float32, n int, k *float32)
// k: scale, beta1, 1-beta1, beta2, 1-beta2, 1-rate·decay, rate/bias1, 1/sqrt(bias2), eps
TEXT ·adamwNEON(SB), NOSPLIT, $0-48
	MOVD p+0(FP), R0
	MOVD m+8(FP), R1
	MOVD v+16(FP), R2
	MOVD grad+24(FP), R3
	MOVD n+32(FP), R8
	MOVD k+40(FP), R4
	LDSON(4, 4, 16)
	LDSON(4, 4, 17)
	LDSON(4, 4, 18)
	LDSON(4, 4, 19)
	LDSON(4, 4, 20)
	LDSON(4, 4, 21)
	LDSON(4, 4, 22)
	LDSON(4, 4, 23)
	LDSON(4, 4, 24)
	DUP4S(16, 16)
	DUP4S(17, 17)
	DUP4S(18, 18)
	DUP4S(19, 19)
	DUP4S(20, 20)
	DUP4S(21, 21)
	DUP4S(22, 22)
	DUP4S(23, 23)
	DUP4S(24, 24)
	EACH(ADAMW, NONE)
	RET
