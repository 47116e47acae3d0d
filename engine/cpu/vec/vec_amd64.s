#include "textflag.h"

// Constants, broadcast where they are used.
DATA k<>+0(SB)/4, $0x3fb8aa3b  // log2(e)
DATA k<>+4(SB)/4, $0x3f317200  // ln 2, high part
DATA k<>+8(SB)/4, $0x35bfbe8e  // ln 2, low part
DATA k<>+12(SB)/4, $0x3ab743ce // coefficients of exp on ±ln(2)/2, highest power first
DATA k<>+16(SB)/4, $0x3c0930a8
DATA k<>+20(SB)/4, $0x3d2aaa6b
DATA k<>+24(SB)/4, $0x3e2aaaaa
DATA k<>+28(SB)/4, $0x3f000000 // 1/2
DATA k<>+32(SB)/4, $0x3f800000 // 1
DATA k<>+36(SB)/4, $0xc2ae0000 // -87
DATA k<>+40(SB)/4, $0x42b00000 // 88
DATA k<>+44(SB)/4, $0x80000000 // sign
DATA k<>+48(SB)/4, $0x3f3504f3 // sqrt(1/2)
DATA k<>+52(SB)/4, $0x3ea7ba05 // p of Abramowitz and Stegun 7.1.26
DATA k<>+56(SB)/4, $0x3f87dc22 // a5
DATA k<>+60(SB)/4, $0xbfba00e3 // a4
DATA k<>+64(SB)/4, $0x3fb5f0e3 // a3
DATA k<>+68(SB)/4, $0xbe91a98e // a2
DATA k<>+72(SB)/4, $0x3e827906 // a1
DATA k<>+76(SB)/4, $0x3ecc422a // 1/sqrt(2π)
DATA k<>+80(SB)/4, $0x7fffffff // all but the sign
GLOBL k<>(SB), RODATA|NOPTR, $84

#define EXPCONST \
	VBROADCASTSS k<>+0(SB), Z31  \
	VBROADCASTSS k<>+4(SB), Z30  \
	VBROADCASTSS k<>+8(SB), Z29  \
	VBROADCASTSS k<>+12(SB), Z28 \
	VBROADCASTSS k<>+16(SB), Z27 \
	VBROADCASTSS k<>+20(SB), Z26 \
	VBROADCASTSS k<>+24(SB), Z25 \
	VBROADCASTSS k<>+28(SB), Z24 \
	VBROADCASTSS k<>+32(SB), Z23 \
	VBROADCASTSS k<>+36(SB), Z22 \
	VBROADCASTSS k<>+40(SB), Z21 \
	VPBROADCASTD k<>+44(SB), Z20

// y = exp(x), x within [-87, 88] after clamping; NaN stays NaN. x, n and r are lost.
#define EXP(x, n, r, y) \
	VMAXPS x, Z22, x           \
	VMINPS x, Z21, x           \
	VMULPS Z31, x, n           \
	VRNDSCALEPS $0, n, n       \
	VMOVAPS x, r               \
	VFNMADD231PS Z30, n, r     \
	VFNMADD231PS Z29, n, r     \
	VMOVAPS Z28, y             \
	VFMADD213PS Z27, r, y      \
	VFMADD213PS Z26, r, y      \
	VFMADD213PS Z25, r, y      \
	VFMADD213PS Z24, r, y      \
	VFMADD213PS Z23, r, y      \
	VFMADD213PS Z23, r, y      \
	VSCALEFPS n, y, y

// s = 1/(1+exp(-x)); a, b and c are lost.
#define SIGMOID(x, a, b, c, s) \
	VPXORD Z20, x, a \
	EXP(a, b, c, s)  \
	VADDPS Z23, s, s \
	VDIVPS s, Z23, s

// x·σ(x)
#define SILU(x, y) \
	SIGMOID(x, Z12, Z13, Z14, y) \
	VMULPS x, y, y

// d·σ(x)·(1 + x·(1-σ(x)))
#define SILUGRAD(x, d, y) \
	SIGMOID(x, Z12, Z13, Z14, y) \
	VMOVAPS Z23, Z12             \
	VSUBPS  y, Z12, Z12          \
	VFMADD213PS Z23, x, Z12      \
	VMULPS  y, Z12, y            \
	VMULPS  d, y, y

#define GELUCONST \
	EXPCONST                     \
	VBROADCASTSS k<>+52(SB), Z19 \
	VBROADCASTSS k<>+76(SB), Z18

// phi = Φ(x), e = exp(-x²/2): erf by Abramowitz and Stegun 7.1.26, |error| < 1.5e-7.
#define PHI(x, phi, e) \
	VMULPS  x, x, Z12             \
	VMULPS  Z24, Z12, Z12         \
	VPXORD  Z20, Z12, Z12         \
	EXP(Z12, Z13, Z14, e)         \
	VBROADCASTSS k<>+48(SB), Z12  \
	VMULPS  Z12, x, Z12           \
	VPANDD.BCST k<>+80(SB), Z12, Z12 \
	VFMADD213PS Z23, Z19, Z12     \
	VDIVPS  Z12, Z23, Z12         \
	VBROADCASTSS k<>+56(SB), Z13  \
	VFMADD213PS.BCST k<>+60(SB), Z12, Z13 \
	VFMADD213PS.BCST k<>+64(SB), Z12, Z13 \
	VFMADD213PS.BCST k<>+68(SB), Z12, Z13 \
	VFMADD213PS.BCST k<>+72(SB), Z12, Z13 \
	VMULPS  Z12, Z13, Z13         \
	VMULPS  e, Z13, Z13           \
	VMULPS  Z24, Z13, Z13         \ // (1-erf|x|)/2 = Φ(-|x|)
	VSUBPS  Z13, Z23, Z14         \
	VPMOVD2M x, K3                \
	VBLENDMPS Z13, Z14, K3, phi

#define GELU(x, y) \
	PHI(x, Z10, Z11) \
	VMULPS x, Z10, y

// d·(Φ(x) + x·φ(x))
#define GELUGRAD(x, d, y) \
	PHI(x, Z10, Z11)        \
	VMULPS Z18, Z11, Z11    \
	VFMADD231PS x, Z11, Z10 \
	VMULPS d, Z10, y

#define RELU(x, y) \
	VMAXPS x, Z20, y

#define NONE

// The mask of the last CX (< 16) lanes in K1.
#define TAIL \
	MOVL $1, AX \
	SHLL CX, AX \
	DECL AX     \
	KMOVW AX, K1

// A function of one array: (dst, x *float32, n int).
#define UNARY(CONST, OP) \
	MOVQ dst+0(FP), DI      \
	MOVQ x+8(FP), SI        \
	MOVQ n+16(FP), CX       \
	CONST                   \
loop:                       \
	CMPQ CX, $16            \
	JLT  tail               \
	VMOVUPS (SI), Z0        \
	OP(Z0, Z1)              \
	VMOVUPS Z1, (DI)        \
	ADDQ $64, SI            \
	ADDQ $64, DI            \
	SUBQ $16, CX            \
	JMP  loop               \
tail:                       \
	TESTQ CX, CX            \
	JZ    end               \
	TAIL                    \
	VMOVUPS.Z (SI), K1, Z0  \
	OP(Z0, Z1)              \
	VMOVUPS Z1, K1, (DI)    \
end:                        \
	VZEROUPPER              \
	RET

// A function of two arrays: (dst, x, y *float32, n int).
#define BINARY(CONST, OP) \
	MOVQ dst+0(FP), DI      \
	MOVQ x+8(FP), SI        \
	MOVQ y+16(FP), DX       \
	MOVQ n+24(FP), CX       \
	CONST                   \
loop:                       \
	CMPQ CX, $16            \
	JLT  tail               \
	VMOVUPS (SI), Z0        \
	VMOVUPS (DX), Z1        \
	OP(Z0, Z1, Z2)          \
	VMOVUPS Z2, (DI)        \
	ADDQ $64, SI            \
	ADDQ $64, DX            \
	ADDQ $64, DI            \
	SUBQ $16, CX            \
	JMP  loop               \
tail:                       \
	TESTQ CX, CX            \
	JZ    end               \
	TAIL                    \
	VMOVUPS.Z (SI), K1, Z0  \
	VMOVUPS.Z (DX), K1, Z1  \
	OP(Z0, Z1, Z2)          \
	VMOVUPS Z2, K1, (DI)    \
end:                        \
	VZEROUPPER              \
	RET

#define ADDOP(x, y, z) VADDPS y, x, z
#define SUBOP(x, y, z) VSUBPS y, x, z
#define MULOP(x, y, z) VMULPS y, x, z
#define DIVOP(x, y, z) VDIVPS y, x, z

// d where x > 0
#define RELUGRAD(x, d, y) \
	VCMPPS $30, Z20, x, K2 \
	VMOVAPS.Z d, K2, y

#define ZERO20 VPXORQ Z20, Z20, Z20

#define AFFINECONST \
	VBROADCASTSS a+24(FP), Z31 \
	VBROADCASTSS b+28(FP), Z30

#define AFFINEOP(x, y) \
	VMOVAPS x, y              \
	VFMADD213PS Z30, Z31, y

// The arguments of row operations: rows, c, x, y, d, and five arrays of c numbers.
#define ROWARGS \
	MOVQ a+0(FP), R8   \
	MOVQ 0(R8), R9     \
	MOVQ 16(R8), SI    \
	MOVQ 24(R8), DI    \
	MOVQ 32(R8), DX    \
	MOVQ 40(R8), R10   \
	MOVQ 48(R8), R11   \
	MOVQ 56(R8), R12   \
	MOVQ 64(R8), R13   \
	MOVQ 72(R8), R15

#define EXPOP(x, y) EXP(x, Z12, Z13, y)

// func exp512(dst, x *float32, n int)
TEXT ·exp512(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, EXPOP)

// func silu512(dst, x *float32, n int)
TEXT ·silu512(SB), NOSPLIT, $0-24
	UNARY(EXPCONST, SILU)

// func gelu512(dst, x *float32, n int)
TEXT ·gelu512(SB), NOSPLIT, $0-24
	UNARY(GELUCONST, GELU)

// func relu512(dst, x *float32, n int)
TEXT ·relu512(SB), NOSPLIT, $0-24
	UNARY(ZERO20, RELU)

// func siluGrad512(dst, x, y *float32, n int)
TEXT ·siluGrad512(SB), NOSPLIT, $0-32
	BINARY(EXPCONST, SILUGRAD)

// func geluGrad512(dst, x, y *float32, n int)
TEXT ·geluGrad512(SB), NOSPLIT, $0-32
	BINARY(GELUCONST, GELUGRAD)

// func reluGrad512(dst, x, y *float32, n int)
TEXT ·reluGrad512(SB), NOSPLIT, $0-32
	BINARY(ZERO20, RELUGRAD)

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



// func affine512(dst, x *float32, n int, a, b float32)
TEXT ·affine512(SB), NOSPLIT, $0-32
	UNARY(AFFINECONST, AFFINEOP)

// func expSum512(dst, x *float32, n int, shift float32) float32
TEXT ·expSum512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	EXPCONST
	VBROADCASTSS shift+24(FP), Z19
	VPXORQ Z18, Z18, Z18

loop:
	CMPQ CX, $16
	JLT  tail
	VMOVUPS (SI), Z0
	VSUBPS Z19, Z0, Z0
	EXP(Z0, Z12, Z13, Z1)
	VMOVUPS Z1, (DI)
	VADDPS Z1, Z18, Z18
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ    end
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	VSUBPS Z19, Z0, Z0
	EXP(Z0, Z12, Z13, Z1)
	VMOVUPS Z1, K1, (DI)
	VADDPS Z1, Z18, K1, Z18

end:
	VEXTRACTF64X4 $1, Z18, Y0
	VADDPS Y0, Y18, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS X1, X0, X0
	VHADDPS X0, X0, X0
	VHADDPS X0, X0, X0
	VMOVSS X0, ret+32(FP)
	VZEROUPPER
	RET

// func max512(x *float32, n int) float32
TEXT ·max512(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS (SI), Z0
	VMOVAPS Z0, Z1

loop:
	CMPQ CX, $32
	JLT  last
	VMAXPS (SI), Z0, Z0
	VMAXPS 64(SI), Z1, Z1
	ADDQ $128, SI
	SUBQ $32, CX
	JMP  loop

last:
	CMPQ CX, $16
	JLT  tail
	VMAXPS (SI), Z0, Z0
	ADDQ $64, SI
	SUBQ $16, CX

tail:
	TESTQ CX, CX
	JZ    end
	TAIL
	VMOVAPS Z0, Z2
	VMOVUPS (SI), K1, Z2
	VMAXPS Z2, Z0, Z0

end:
	VMAXPS Z1, Z0, Z0
	VEXTRACTF64X4 $1, Z0, Y1
	VMAXPS Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x4e, X0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0xb1, X0, X1
	VMAXPS X1, X0, X0
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// Operations on rows of c channels with numbers of their own for each channel.
// Each walks the rows in order; BX counts the bytes of a row's channels done.

#define ROWS(BODY, MASKED) \
row:                       \
	XORQ BX, BX            \
	MOVQ 8(R8), CX       \
lane:                      \
	CMPQ CX, $16           \
	JLT  tail              \
	BODY                   \
	ADDQ $64, BX           \
	SUBQ $16, CX           \
	JMP  lane              \
tail:                      \
	TESTQ CX, CX           \
	JZ    next             \
	TAIL                   \
	MASKED                 \
	LEAQ (BX)(CX*4), BX    \
next:                      \
	ADDQ BX, SI            \
	ADDQ BX, DI            \
	ADDQ BX, DX            \
	DECQ R9                \
	JNZ  row               \
	VZEROUPPER             \
	RET


#define AFFINE16 \
	VMOVUPS (SI)(BX*1), Z0           \
	VSUBPS  (R12)(BX*1), Z0, Z0      \
	VMOVUPS (R10)(BX*1), Z1          \
	VMOVUPS (R11)(BX*1), Z2          \
	VFMADD132PS Z0, Z2, Z1           \
	VMOVUPS Z1, (DI)(BX*1)

#define AFFINETAIL \
	VMOVUPS.Z (SI)(BX*1), K1, Z0     \
	VSUBPS.Z  (R12)(BX*1), Z0, K1, Z0 \
	VMOVUPS.Z (R10)(BX*1), K1, Z1    \
	VMOVUPS.Z (R11)(BX*1), K1, Z2    \
	VFMADD132PS Z0, Z2, Z1           \
	VMOVUPS Z1, K1, (DI)(BX*1)

// func affineRows512(a *rowArgs): y = (x-p2)·p0 + p1
TEXT ·affineRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(AFFINE16, AFFINETAIL)

#define AFFINESILU16 \
	VMOVUPS (SI)(BX*1), Z0           \
	VSUBPS  (R12)(BX*1), Z0, Z0      \
	VMOVUPS (R10)(BX*1), Z1          \
	VMOVUPS (R11)(BX*1), Z2          \
	VFMADD132PS Z0, Z2, Z1           \
	SILU(Z1, Z0)                     \
	VMOVUPS Z0, (DI)(BX*1)

#define AFFINESILUTAIL \
	VMOVUPS.Z (SI)(BX*1), K1, Z0     \
	VSUBPS.Z  (R12)(BX*1), Z0, K1, Z0 \
	VMOVUPS.Z (R10)(BX*1), K1, Z1    \
	VMOVUPS.Z (R11)(BX*1), K1, Z2    \
	VFMADD132PS Z0, Z2, Z1           \
	SILU(Z1, Z0)                     \
	VMOVUPS Z0, K1, (DI)(BX*1)

// func affineSiLURows512(a *rowArgs): y = SiLU((x-p2)·p0 + p1)
TEXT ·affineSiLURows512(SB), NOSPLIT, $0-8
	ROWARGS
	EXPCONST
	ROWS(AFFINESILU16, AFFINESILUTAIL)

#define MOMENTS16 \
	VMOVUPS (SI)(BX*1), Z0              \
	VSUBPS  (R10)(BX*1), Z0, Z0         \
	VADDPS  (R11)(BX*1), Z0, Z1         \
	VMOVUPS Z1, (R11)(BX*1)             \
	VMOVUPS (R12)(BX*1), Z1             \
	VFMADD231PS Z0, Z0, Z1              \
	VMOVUPS Z1, (R12)(BX*1)

#define MOMENTSTAIL \
	VMOVUPS.Z (SI)(BX*1), K1, Z0        \
	VSUBPS.Z  (R10)(BX*1), Z0, K1, Z0   \
	VADDPS.Z  (R11)(BX*1), Z0, K1, Z1   \
	VMOVUPS Z1, K1, (R11)(BX*1)         \
	VMOVUPS.Z (R12)(BX*1), K1, Z1       \
	VFMADD231PS Z0, Z0, Z1              \
	VMOVUPS Z1, K1, (R12)(BX*1)

// func momentsRows512(a *rowArgs): p1 += x-p0, p2 += (x-p0)²
TEXT ·momentsRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(MOMENTS16, MOMENTSTAIL)

#define SUM16 \
	VMOVUPS (SI)(BX*1), Z0              \
	VADDPS  (R10)(BX*1), Z0, Z1         \
	VMOVUPS Z1, (R10)(BX*1)

#define SUMTAIL \
	VMOVUPS.Z (SI)(BX*1), K1, Z0        \
	VADDPS.Z  (R10)(BX*1), Z0, K1, Z1   \
	VMOVUPS Z1, K1, (R10)(BX*1)

// func sumRows512(a *rowArgs): p0 += x
TEXT ·sumRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(SUM16, SUMTAIL)

// With Z0 = x-p3, Z1 = dy: p4 += dy, p5 += dy·x̂, where x̂ = (x-p3)·p2.
#define NORMSUMS16 \
	VMULPS  (R12)(BX*1), Z0, Z3       \
	VMOVUPS (R15)(BX*1), Z4           \
	VADDPS  Z1, Z4, Z4                \
	VMOVUPS Z4, (R15)(BX*1)           \
	VMOVUPS (R14)(BX*1), Z4           \
	VFMADD231PS Z1, Z3, Z4            \
	VMOVUPS Z4, (R14)(BX*1)

#define NORMSUMSTAIL \
	VMULPS.Z  (R12)(BX*1), Z0, K1, Z3 \
	VMOVUPS.Z (R15)(BX*1), K1, Z4     \
	VADDPS  Z1, Z4, Z4                \
	VMOVUPS Z4, K1, (R15)(BX*1)       \
	VMOVUPS.Z (R14)(BX*1), K1, Z4     \
	VFMADD231PS Z1, Z3, Z4            \
	VMOVUPS Z4, K1, (R14)(BX*1)

#define NORMBACK16 \
	VMOVUPS (SI)(BX*1), Z0            \
	VSUBPS  (R13)(BX*1), Z0, Z0       \
	VMOVUPS (DX)(BX*1), Z1            \
	VMOVUPS Z1, (DI)(BX*1)            \
	NORMSUMS16

#define NORMBACKTAIL \
	VMOVUPS.Z (SI)(BX*1), K1, Z0      \
	VSUBPS.Z  (R13)(BX*1), Z0, K1, Z0 \
	VMOVUPS.Z (DX)(BX*1), K1, Z1      \
	VMOVUPS Z1, K1, (DI)(BX*1)        \
	NORMSUMSTAIL

// func normBackRows512(a *rowArgs)
TEXT ·normBackRows512(SB), NOSPLIT, $0-8
	ROWARGS
	MOVQ 80(R8), R14
	ROWS(NORMBACK16, NORMBACKTAIL)

#define NORMSILUBACK16 \
	VMOVUPS (SI)(BX*1), Z0            \
	VSUBPS  (R13)(BX*1), Z0, Z0       \
	VMOVUPS (DX)(BX*1), Z1            \
	VMOVUPS (R10)(BX*1), Z2           \
	VMOVUPS (R11)(BX*1), Z3           \
	VFMADD213PS Z3, Z0, Z2            \
	SILUGRAD(Z2, Z1, Z4)              \
	VMOVAPS Z4, Z1                    \
	VMOVUPS Z1, (DI)(BX*1)            \
	NORMSUMS16

#define NORMSILUBACKTAIL \
	VMOVUPS.Z (SI)(BX*1), K1, Z0      \
	VSUBPS.Z  (R13)(BX*1), Z0, K1, Z0 \
	VMOVUPS.Z (DX)(BX*1), K1, Z1      \
	VMOVUPS.Z (R10)(BX*1), K1, Z2     \
	VMOVUPS.Z (R11)(BX*1), K1, Z3     \
	VFMADD213PS Z3, Z0, Z2            \
	SILUGRAD(Z2, Z1, Z4)              \
	VMOVAPS Z4, Z1                    \
	VMOVUPS Z1, K1, (DI)(BX*1)        \
	NORMSUMSTAIL

// func normSiLUBackRows512(a *rowArgs)
TEXT ·normSiLUBackRows512(SB), NOSPLIT, $0-8
	ROWARGS
	MOVQ 80(R8), R14
	EXPCONST
	ROWS(NORMSILUBACK16, NORMSILUBACKTAIL)

#define COMBINE16 \
	VMOVUPS (R10)(BX*1), Z0           \
	VMOVUPS (R12)(BX*1), Z2           \
	VFMADD132PS (DI)(BX*1), Z2, Z0    \
	VMOVUPS (SI)(BX*1), Z1            \
	VSUBPS  (R13)(BX*1), Z1, Z1       \
	VFMADD231PS (R11)(BX*1), Z1, Z0   \
	VMOVUPS Z0, (DI)(BX*1)

#define COMBINETAIL \
	VMOVUPS.Z (DI)(BX*1), K1, Z3      \
	VMOVUPS.Z (SI)(BX*1), K1, Z4      \
	VSUBPS.Z  (R13)(BX*1), Z4, K1, Z4 \
	VMOVUPS.Z (R10)(BX*1), K1, Z0     \
	VMOVUPS.Z (R12)(BX*1), K1, Z2     \
	VFMADD132PS Z3, Z2, Z0            \
	VMOVUPS.Z (R11)(BX*1), K1, Z1     \
	VFMADD231PS Z4, Z1, Z0            \
	VMOVUPS Z0, K1, (DI)(BX*1)

// func combineRows512(a *rowArgs): y = y·p0 + (x-p3)·p1 + p2
TEXT ·combineRows512(SB), NOSPLIT, $0-8
	ROWARGS
	ROWS(COMBINE16, COMBINETAIL)

// func adamw512(p, m, v, grad *float32, n int, k *float32)
// k: scale, beta1, 1-beta1, beta2, 1-beta2, 1-rate·decay, rate/bias1, 1/sqrt(bias2), eps
TEXT ·adamw512(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), DI
	MOVQ m+8(FP), SI
	MOVQ v+16(FP), DX
	MOVQ grad+24(FP), BX
	MOVQ n+32(FP), CX
	MOVQ k+40(FP), R8
	VBROADCASTSS 0(R8), Z31
	VBROADCASTSS 4(R8), Z30
	VBROADCASTSS 8(R8), Z29
	VBROADCASTSS 12(R8), Z28
	VBROADCASTSS 16(R8), Z27
	VBROADCASTSS 20(R8), Z26
	VBROADCASTSS 24(R8), Z25
	VBROADCASTSS 28(R8), Z24
	VBROADCASTSS 32(R8), Z23
	KXNORW K1, K1, K1

loop:
	CMPQ CX, $16
	JGE  full
	TESTQ CX, CX
	JZ    end
	TAIL

full:
	VMOVUPS.Z (DI), K1, Z0
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z (DX), K1, Z2
	VMOVUPS.Z (BX), K1, Z3
	VMULPS Z31, Z3, Z3
	VMULPS Z30, Z1, Z1
	VFMADD231PS Z29, Z3, Z1
	VMULPS Z28, Z2, Z2
	VMULPS Z3, Z3, Z4
	VFMADD231PS Z27, Z4, Z2
	VMOVUPS Z1, K1, (SI)
	VMOVUPS Z2, K1, (DX)
	VSQRTPS Z2, Z5
	VFMADD213PS Z23, Z24, Z5
	VMULPS Z25, Z1, Z6
	VDIVPS Z5, Z6, Z6
	VMULPS Z26, Z0, Z0
	VSUBPS Z6, Z0, Z0
	VMOVUPS Z0, K1, (DI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, BX
	SUBQ $16, CX
	JG   loop

end:
	VZEROUPPER
	RET
