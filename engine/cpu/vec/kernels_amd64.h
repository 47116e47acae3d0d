// The kernels of both widths, in terms of lanes256_amd64.h or lanes512_amd64.h,
// one of which comes before: V0-V13 are vector registers of LANES numbers. Their
// operations and the order of sums within a lane are the same; so everything
// but sums across lanes gives the same bits in both.

// Constants, each eight times; the names are those of the lanes' files.
#define CONSTANT(at, v) \
	DATA k<>+at+0(SB)/4, v  \
	DATA k<>+at+4(SB)/4, v  \
	DATA k<>+at+8(SB)/4, v  \
	DATA k<>+at+12(SB)/4, v \
	DATA k<>+at+16(SB)/4, v \
	DATA k<>+at+20(SB)/4, v \
	DATA k<>+at+24(SB)/4, v \
	DATA k<>+at+28(SB)/4, v

CONSTANT(0, $0x3fb8aa3b)   // log2(e)
CONSTANT(32, $0x3f317200)  // ln 2, high part
CONSTANT(64, $0x35bfbe8e)  // ln 2, low part
CONSTANT(96, $0x3ab743ce)  // E7: coefficients of exp on ±ln(2)/2, highest power first
CONSTANT(128, $0x3c0930a8)
CONSTANT(160, $0x3d2aaa6b)
CONSTANT(192, $0x3e2aaaaa)
CONSTANT(224, $0x3f000000) // 1/2
CONSTANT(256, $0x3f800000) // 1
CONSTANT(288, $0xc2ae0000) // -87
CONSTANT(320, $0x42b00000) // 88
CONSTANT(352, $0x80000000) // the sign
CONSTANT(384, $0xbf000000) // -1/2
CONSTANT(416, $0x7fffffff) // all but the sign
CONSTANT(448, $0x3e6d3388) // p/√2 of Abramowitz and Stegun 7.1.26, and its
CONSTANT(480, $0x3f07dc22) // a5/2
CONSTANT(512, $0xbf3a00e3) // a4/2
CONSTANT(544, $0x3f35f0e3) // a3/2
CONSTANT(576, $0xbe11a98e) // a2/2
CONSTANT(608, $0x3e027906) // a1/2
CONSTANT(640, $0x3ecc422a) // 1/√(2π)
CONSTANT(672, $0x0000007f) // the bias of exponents
CONSTANT(704, $0xbfd9db23) // -1.702
GLOBL k<>(SB), RODATA|NOPTR, $736

#define FULL(m, r) VMOVUPS m, r
#define FULLST(r, m) VMOVUPS r, m
#define WHOLE(r)
#define NONE
#define NOSTORE(ST)

// y = exp(x), x within [-87, 88] after clamping; NaN stays NaN. x and n are lost.
#define EXP(x, n, y) \
	VMINPS x, CAP, x \
	EXPBELOW(x, n, y)

// The same for x that is below the cap.
#define EXPBELOW(x, n, y) \
	VMAXPS x, FLOOR, x        \
	VMULPS LOG2E, x, n        \
	ROUND(n)                  \
	VFNMADD231PS LN2HI, n, x  \
	VFNMADD231PS LN2LO, n, x  \
	LOADE7(y)                 \
	VFMADD213PS E6, x, y      \
	VFMADD213PS E5, x, y      \
	VFMADD213PS E4, x, y      \
	VFMADD213PS HALF, x, y    \
	VFMADD213PS ONE, x, y     \
	VFMADD213PS ONE, x, y     \
	SCALE(n, y)

#define EXPOP(x, y) EXP(x, V9, y)

// x·σ(x); V8 and V9 are lost.
#define SILU(x, y) \
	VXORPS SIGN, x, V8 \
	EXP(V8, V9, y)     \
	VADDPS ONE, y, y   \
	VDIVPS y, x, y

// x·σ(1.702·x); V8 and V9 are lost.
#define QUICKGELU(x, y) \
	VMULPS QUICK, x, V8 \
	EXP(V8, V9, y)      \
	VADDPS ONE, y, y    \
	VDIVPS y, x, y

// d·σ(x)·(1 + x·(1-σ(x))); V8 and V9 are lost.
#define SILUGRAD(x, d, y) \
	VXORPS SIGN, x, V8     \
	EXP(V8, V9, y)         \
	VADDPS ONE, y, y       \
	VDIVPS y, ONE, y       \
	VSUBPS y, ONE, V8      \
	VFMADD213PS ONE, x, V8 \
	VMULPS y, V8, y        \
	VMULPS d, y, y

// V10 = Φ(x), V12 = exp(-x²/2): erf by Abramowitz and Stegun 7.1.26, |error| < 1.5e-7.
#define PHI(x) \
	VMULPS NEGHALF, x, V8     \
	VMULPS x, V8, V8          \
	EXP(V8, V9, V12)          \
	VANDPS ABS, x, V8         \
	VFMADD132PS P, ONE, V8    \
	VDIVPS V8, ONE, V8        \
	LOADA5(V9)                \
	VFMADD213PS A4, V8, V9    \
	VFMADD213PS A3, V8, V9    \
	VFMADD213PS A2, V8, V9    \
	VFMADD213PS A1, V8, V9    \
	VMULPS V8, V9, V9         \
	VMULPS V12, V9, V9        \ // (1-erf|x/√2|)/2 = Φ(-|x|)
	VSUBPS V9, ONE, V8        \
	BYSIGN(x, V9, V8, V10)

#define GELU(x, y) \
	PHI(x)           \
	VMULPS x, V10, y

// d·(Φ(x) + x·φ(x))
#define GELUGRAD(x, d, y) \
	PHI(x)                   \
	VMULPS DENSITY, V12, V12 \
	VFMADD231PS x, V12, V10  \
	VMULPS d, V10, y

// v·GELU(g)
#define GEGLU(v, g, y) \
	PHI(g)             \
	VMULPS g, V10, V10 \
	VMULPS v, V10, y

#define ZERO10 VXORPS V10, V10, V10
#define RELU(x, y) VMAXPS x, V10, y
#define RELUGRAD(x, d, y) WHEREPOSITIVE(x, d, y)
#define ADDOP(x, y, z) VADDPS y, x, z
#define SUBOP(x, y, z) VSUBPS y, x, z
#define MULOP(x, y, z) VMULPS y, x, z
#define DIVOP(x, y, z) VDIVPS y, x, z

// The larger, x of equals; a NaN wins.
#define MAXOP(x, y, z) \
	VMAXPS x, y, z \
	TAKENAN(y, z)

// Runs BODY on arrays of CX numbers; BX counts those done.
#define EACH(BODY, OP) \
	XORQ BX, BX               \
	MOVQ CX, AX               \
	ANDQ $(LANES-1), CX       \
	SUBQ CX, AX               \
	JZ   tail                 \
loop:                         \
	BODY(FULL, FULLST, WHOLE, OP) \
	ADDQ $LANES, BX           \
	CMPQ BX, AX               \
	JLT  loop                 \
tail:                         \
	TESTQ CX, CX              \
	JZ    end                 \
	TAILMASK                  \
	BODY(PART, PARTST, CUT, OP) \
end:

#define DONE \
	VZEROUPPER \
	RET

#define MAP1(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0) \
	OP(V0, V1)         \
	ST(V1, (DI)(BX*4))

#define MAP2(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0) \
	LD((DX)(BX*4), V1) \
	OP(V0, V1, V2)     \
	ST(V2, (DI)(BX*4))

// A function of one array: (dst, x *float32, n int).
#define UNARY(CONST, OP) \
	MOVQ dst+0(FP), DI \
	MOVQ x+8(FP), SI   \
	MOVQ n+16(FP), CX  \
	CONST              \
	EACH(MAP1, OP)     \
	DONE

// A function of two arrays: (dst, x, y *float32, n int).
#define BINARY(CONST, OP) \
	MOVQ dst+0(FP), DI \
	MOVQ x+8(FP), SI   \
	MOVQ y+16(FP), DX  \
	MOVQ n+24(FP), CX  \
	CONST              \
	EACH(MAP2, OP)     \
	DONE

// a·x + b
#define AFFINE(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	VFMADD213PS V13, V12, V0  \
	ST(V0, (DI)(BX*4))

// a·x + b·y
#define SCALEDSUM(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	LD((DX)(BX*4), V1)        \
	VMULPS V13, V1, V1        \
	VFMADD231PS V12, V0, V1   \
	ST(V1, (DI)(BX*4))

// y·(dy - delta)
#define SOFTMAXGRAD(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	LD((DX)(BX*4), V1)        \
	VSUBPS V12, V1, V1        \
	VMULPS V0, V1, V1         \
	ST(V1, (DI)(BX*4))

// V0 = v, V2 = dy, V10 = GELU(g), V3 = GELU'(g)
#define GEGLUPARTS(LD) \
	LD((SI)(BX*4), V0)        \
	LD((R10)(BX*4), V1)       \
	LD((DX)(BX*4), V2)        \
	PHI(V1)                   \
	VMULPS DENSITY, V12, V12  \
	VMOVAPS V10, V3           \
	VFMADD231PS V1, V12, V3   \
	VMULPS V1, V10, V10

// V10 = dy·GELU(g), V3 = dy·v·GELU'(g)
#define GEGLUBACK \
	VMULPS V2, V10, V10       \
	VMULPS V2, V0, V0         \
	VMULPS V0, V3, V3

// The gradients of v·GELU(g): of v to DI, of g to R11.
#define GEGLUGRAD(LD, ST, TRIM, OP) \
	GEGLUPARTS(LD)            \
	GEGLUBACK                 \
	ST(V10, (DI)(BX*4))       \
	ST(V3, (R11)(BX*4))

// The same in place, and v·GELU(g) where dy was.
#define GEGLUBOTH(LD, ST, TRIM, OP) \
	GEGLUPARTS(LD)            \
	VMULPS V0, V10, V4        \
	GEGLUBACK                 \
	ST(V10, (SI)(BX*4))       \
	ST(V3, (R10)(BX*4))       \
	ST(V4, (DX)(BX*4))

// ((x-mean)·rstd)·gamma + beta
#define LAYERNORM(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	VSUBPS V12, V0, V0        \
	VMULPS V13, V0, V0        \
	LD((R10)(BX*4), V1)       \
	LD((R11)(BX*4), V2)       \
	VFMADD213PS V2, V1, V0    \
	ST(V0, (DI)(BX*4))

// sum += dy, dot += dy·x̂; V9 and V10 are the sums of gamma·dy and gamma·dy·x̂.
#define LAYERNORMSUMS(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	VSUBPS V12, V0, V0        \
	VMULPS V13, V0, V0        \
	LD((DX)(BX*4), V1)        \
	LD((R10)(BX*4), V2)       \
	LD((R11)(BX*4), V3)       \
	LD((R12)(BX*4), V4)       \
	VADDPS V1, V3, V3         \
	VFMADD231PS V0, V1, V4    \
	VMULPS V1, V2, V2         \
	VADDPS V2, V9, V9         \
	VFMADD231PS V0, V2, V10   \
	ST(V3, (R11)(BX*4))       \
	ST(V4, (R12)(BX*4))

// rstd·(gamma·dy - m1 - x̂·m2)
#define LAYERNORMGRAD(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	VSUBPS V12, V0, V0        \
	VMULPS V13, V0, V0        \
	LD((DX)(BX*4), V1)        \
	LD((R10)(BX*4), V2)       \
	VFMSUB213PS V9, V2, V1    \
	VFNMADD231PS V10, V0, V1  \
	VMULPS V13, V1, V1        \
	ST(V1, (DI)(BX*4))

// p in DI, m in SI, v in DX, the gradient in R10, the nine constants in V4-V10, V12, V13.
#define ADAMW(LD, ST, TRIM, OP) \
	LD((R10)(BX*4), V3)       \
	LD((SI)(BX*4), V1)        \
	LD((DX)(BX*4), V2)        \
	LD((DI)(BX*4), V0)        \
	VMULPS V4, V3, V3         \
	VMULPS V5, V1, V1         \
	VFMADD231PS V6, V3, V1    \
	ST(V1, (SI)(BX*4))        \
	VMULPS V7, V2, V2         \
	VMULPS V3, V3, V3         \
	VFMADD231PS V8, V3, V2    \
	ST(V2, (DX)(BX*4))        \
	VSQRTPS V2, V2            \
	VFMADD213PS V13, V12, V2  \
	VMULPS V10, V1, V1        \
	VDIVPS V2, V1, V1         \
	VMULPS V9, V0, V0         \
	VSUBPS V1, V0, V0         \
	ST(V0, (DI)(BX*4))

// exp(x-shift), added up in V10
#define EXPSUM(LD, ST, TRIM, OP) \
	LD((SI)(BX*4), V0)        \
	VSUBPS V12, V0, V0        \
	EXP(V0, V9, V1)           \
	ST(V1, (DI)(BX*4))        \
	TRIM(V1)                  \
	VADDPS V1, V10, V10
