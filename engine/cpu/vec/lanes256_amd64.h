// Eight lanes: AVX2 and FMA. See kernels_amd64.h.

#include "textflag.h"

#define LANES 8
#define BYTES 32

#define V0 Y0
#define V1 Y1
#define V2 Y2
#define V3 Y3
#define V4 Y4
#define V5 Y5
#define V6 Y6
#define V7 Y7
#define V8 Y8
#define V9 Y9
#define V10 Y10
#define V12 Y12
#define V13 Y13

// Constants are read where they are used; three of them need a register, for
// the order of operands that lets NaN pass.
#define LOG2E k<>+0(SB)
#define LN2HI k<>+32(SB)
#define LN2LO k<>+64(SB)
#define E6 k<>+128(SB)
#define E5 k<>+160(SB)
#define E4 k<>+192(SB)
#define HALF k<>+224(SB)
#define ONE Y13
#define FLOOR Y15
#define CAP Y14
#define SIGN k<>+352(SB)
#define NEGHALF k<>+384(SB)
#define ABS k<>+416(SB)
#define P k<>+448(SB)
#define A4 k<>+512(SB)
#define A3 k<>+544(SB)
#define A2 k<>+576(SB)
#define A1 k<>+608(SB)
#define DENSITY k<>+640(SB)
#define QUICK k<>+704(SB)

#define EXPCONST \
	VMOVUPS k<>+256(SB), ONE   \
	VMOVUPS k<>+288(SB), FLOOR \
	VMOVUPS k<>+320(SB), CAP

#define PHICONST EXPCONST
#define QUICKCONST EXPCONST

#define LOADE7(y) VMOVUPS k<>+96(SB), y
#define LOADA5(y) VMOVUPS k<>+480(SB), y

#define ROUND(n) VROUNDPS $0, n, n

// y·2ⁿ for whole n within [-126, 127]; n is lost.
#define SCALE(n, y) \
	VCVTPS2DQ n, n           \
	VPADDD k<>+672(SB), n, n \
	VPSLLD $23, n, n         \
	VMULPS n, y, y

// The lanes of neg where x has the sign, else those of pos.
#define BYSIGN(x, neg, pos, out) VBLENDVPS x, neg, pos, out

// y = d where x > 0, else 0; V8 is lost.
#define WHEREPOSITIVE(x, d, y) \
	VXORPS V8, V8, V8     \
	VCMPPS $30, V8, x, V8 \
	VANDPS d, V8, y

// y becomes x in the lanes where x is NaN; V8 is lost.
#define TAKENAN(x, y) \
	VCMPPS $3, x, x, V8   \
	VBLENDVPS V8, x, y, y

// The mask of the first CX (< 8) lanes; CX and AX are lost.
DATA lanes<>+0(SB)/8, $-1
DATA lanes<>+8(SB)/8, $-1
DATA lanes<>+16(SB)/8, $-1
DATA lanes<>+24(SB)/8, $-1
DATA lanes<>+32(SB)/8, $0
DATA lanes<>+40(SB)/8, $0
DATA lanes<>+48(SB)/8, $0
DATA lanes<>+56(SB)/8, $0
GLOBL lanes<>(SB), RODATA|NOPTR, $64

#define TAILMASK \
	NEGQ CX                       \
	LEAQ lanes<>+32(SB), AX       \
	VMOVUPS (AX)(CX*4), Y11

#define PART(m, r) VMASKMOVPS m, Y11, r
#define PARTST(r, m) VMASKMOVPS r, Y11, m
#define CUT(r) VANDPS Y11, r, r
#define KEEP(old, r) VBLENDVPS Y11, r, old, r

// The halves of V4 as float64: the upper one to V4, the lower one to V5.
#define WIDEN \
	VCVTPS2PD X4, Y5         \
	VEXTRACTF128 $1, Y4, X4  \
	VCVTPS2PD X4, Y4

// Adds the halves of V0, or takes their maximum, down to the four lanes of X0.
#define HALVE(OP) \
	VEXTRACTF128 $1, Y0, X1 \
	OP X1, X0, X0

#define HALVE64 \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPD X1, X0, X0

// Four vectors into the second-level cache
#define FETCH4(m) \
	PREFETCHT1 m \
	PREFETCHT1 64 m
