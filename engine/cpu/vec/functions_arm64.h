// The functions of elements on four lanes: those of kernels_amd64.h, operation by
// operation, so that their bits are the same. See neon_arm64.h for the instructions.
//
// Vectors 0-13 are for the caller, of which 8-12 are lost as its comments say, as is 15.
// Vectors 16-31 hold constants, and the sums of folds.

// Constants, each four times, in the order in which formulas meet them.
#define CONSTANT(i, v) \
	DATA k<>+(16*i+0)(SB)/4, v  \
	DATA k<>+(16*i+4)(SB)/4, v  \
	DATA k<>+(16*i+8)(SB)/4, v  \
	DATA k<>+(16*i+12)(SB)/4, v

CONSTANT(0, $0x3fb8aa3b)  // log2(e)
CONSTANT(1, $0x3f317200)  // ln 2, high part
CONSTANT(2, $0x35bfbe8e)  // ln 2, low part
CONSTANT(3, $0x3ab743ce)  // coefficients of exp on ±ln(2)/2, highest power first
CONSTANT(4, $0x3c0930a8)
CONSTANT(5, $0x3d2aaa6b)
CONSTANT(6, $0x3e2aaaaa)
CONSTANT(7, $0x3f000000)  // 1/2
CONSTANT(8, $0x3f800000)  // 1
CONSTANT(9, $0xc2ae0000)  // -87
CONSTANT(10, $0x42b00000) // 88
CONSTANT(11, $0x0000007f) // the bias of exponents
CONSTANT(12, $0xbf000000) // -1/2
CONSTANT(13, $0x3e6d3388) // p/√2 of Abramowitz and Stegun 7.1.26, and its
CONSTANT(14, $0x3f07dc22) // a5/2
CONSTANT(15, $0xbf3a00e3) // a4/2
CONSTANT(16, $0x3f35f0e3) // a3/2
CONSTANT(17, $0xbe11a98e) // a2/2
CONSTANT(18, $0x3e027906) // a1/2
CONSTANT(19, $0x3ecc422a) // 1/√(2π)
CONSTANT(20, $0xbfd9db23) // -1.702
GLOBL k<>(SB), RODATA|NOPTR, $336

// Those that stay in vectors. What a product is added to is loaded anew each time, as the
// instruction leaves the sum in its place; loads are free beside these.
#define LOG2E 31
#define LN2HI 30
#define LN2LO 29
#define CAP 28
#define FLOOR 27
#define BIAS 26
#define ONE 25
#define NEGHALF 24
#define PCOEF 23
#define DENSITY 22
#define QUICK 24

// CONST loads constant i; R9 points to them.
#define CONST(i, d) LDQ(9, 16*i, d)

#define EXPCONST \
	MOVD $k<>(SB), R9 \
	CONST(0, LOG2E)   \
	CONST(1, LN2HI)   \
	CONST(2, LN2LO)   \
	CONST(8, ONE)     \
	CONST(9, FLOOR)   \
	CONST(10, CAP)    \
	CONST(11, BIAS)

#define PHICONST \
	EXPCONST           \
	CONST(12, NEGHALF) \
	CONST(13, PCOEF)       \
	CONST(19, DENSITY)

#define QUICKCONST \
	EXPCONST         \
	CONST(20, QUICK)

#define NONE

// y = exp(x), x within [-87, 88] after clamping; NaN stays NaN. x, n and 15 are lost.
#define EXP(x, n, y) \
	FMIN4S(x, CAP, x)    \
	FMAX4S(x, FLOOR, x)  \
	FMUL4S(x, LOG2E, n)  \
	FRINTN4S(n, n)       \
	FMLS4S(n, LN2HI, x)  \
	FMLS4S(n, LN2LO, x)  \
	CONST(3, y)          \
	CONST(4, 15)         \
	FMLA4S(x, y, 15)     \
	CONST(5, y)          \
	FMLA4S(x, 15, y)     \
	CONST(6, 15)         \
	FMLA4S(x, y, 15)     \
	CONST(7, y)          \
	FMLA4S(x, 15, y)     \
	CONST(8, 15)         \
	FMLA4S(x, y, 15)     \
	CONST(8, y)          \
	FMLA4S(x, 15, y)     \
	FCVTNS4S(n, n)       \
	ADD4S(n, BIAS, n)    \
	SHL4S(23, n, n)      \
	FMUL4S(y, n, y)

#define EXPOP(x, y) EXP(x, 9, y)

// x·σ(x); 8, 9 and 15 are lost.
#define SILU(x, y) \
	FNEG4S(x, 8)      \
	EXP(8, 9, y)      \
	FADD4S(y, ONE, y) \
	FDIV4S(x, y, y)

// x·σ(1.702·x); 8, 9 and 15 are lost.
#define QUICKGELU(x, y) \
	FMUL4S(x, QUICK, 8) \
	EXP(8, 9, y)        \
	FADD4S(y, ONE, y)   \
	FDIV4S(x, y, y)

// d·σ(x)·(1 + x·(1-σ(x))); 8, 9 and 15 are lost.
#define SILUGRAD(x, d, y) \
	FNEG4S(x, 8)       \
	EXP(8, 9, y)       \
	FADD4S(y, ONE, y)  \
	FDIV4S(ONE, y, y)  \
	FSUB4S(ONE, y, 8)  \
	MOV16B(ONE, 9)     \
	FMLA4S(x, 8, 9)    \
	FMUL4S(9, y, y)    \
	FMUL4S(y, d, y)

// Vector 10 = Φ(x), 12 = exp(-x²/2): erf by Abramowitz and Stegun 7.1.26, |error| < 1.5e-7.
// 8, 9, 11 and 15 are lost.
#define PHI(x) \
	FMUL4S(x, NEGHALF, 8) \
	FMUL4S(8, x, 8)       \
	EXP(8, 9, 12)         \
	FABS4S(x, 8)          \
	MOV16B(ONE, 9)        \
	FMLA4S(8, PCOEF, 9)      \
	FDIV4S(ONE, 9, 8)     \
	CONST(14, 9)          \
	CONST(15, 15)         \
	FMLA4S(8, 9, 15)      \
	CONST(16, 9)          \
	FMLA4S(8, 15, 9)      \
	CONST(17, 15)         \
	FMLA4S(8, 9, 15)      \
	CONST(18, 9)          \
	FMLA4S(8, 15, 9)      \
	FMUL4S(9, 8, 9)       \
	FMUL4S(9, 12, 9)      \
	FSUB4S(ONE, 9, 8)     \
	SSHR4S(31, x, 10)     \
	BSL16B(9, 8, 10)

#define GELU(x, y) \
	PHI(x)           \
	FMUL4S(10, x, y)

// d·(Φ(x) + x·φ(x))
#define GELUGRAD(x, d, y) \
	PHI(x)                   \
	FMUL4S(12, DENSITY, 12)  \
	FMLA4S(12, x, 10)        \
	FMUL4S(10, d, y)

// v·GELU(g)
#define GEGLU(v, g, y) \
	PHI(g)            \
	FMUL4S(10, g, 10) \
	FMUL4S(10, v, y)

// x, but zero where it is below that.
#define RELU(x, y) \
	FNEGATIVE4S(x, 8) \
	BIC16B(x, 8, y)

#define RELUGRAD(x, d, y) \
	FPOSITIVE4S(x, 8) \
	AND16B(d, 8, y)

#define ADDOP(x, y, z) FADD4S(x, y, z)
#define SUBOP(x, y, z) FSUB4S(x, y, z)
#define MULOP(x, y, z) FMUL4S(x, y, z)
#define DIVOP(x, y, z) FDIV4S(x, y, z)

// The larger, x of equals; a NaN wins.
#define MAXOP(x, y, z) \
	FCMGT4S(y, x, z)  \
	BSL16B(y, x, z)   \
	FCMEQ4S(y, y, 8)  \
	BIF16B(y, 8, z)

// How a body loads, stores, and readies a vector for a sum: whole vectors, and one number
// at a time at the end of an array. R10 counts the bytes done.
#define FULL(p, d) LDQX(p, 10, d)
#define FULLST(p, d) STQX(p, 10, d)
#define WHOLE(d)
#define PART(p, d) LDSX(p, 10, d)
#define PARTST(p, d) STSX(p, 10, d)
#define CUT(d) FIRST4S(d, d)

// Runs BODY over arrays of R8 numbers; R10 counts the bytes done.
#define EACH(BODY, OP) \
	MOVD $0, R10    \
	LSL  $2, R8, R8 \
	BIC  $15, R8, R11 \
	CBZ  R11, tail  \
loop:             \
	BODY(FULL, FULLST, WHOLE, OP) \
	ADD  $16, R10   \
	CMP  R11, R10   \
	BLT  loop       \
tail:             \
	CMP  R8, R10    \
	BGE  end        \
	BODY(PART, PARTST, CUT, OP) \
	ADD  $4, R10    \
	B    tail       \
end:
