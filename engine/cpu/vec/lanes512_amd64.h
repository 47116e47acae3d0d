// Sixteen lanes: AVX-512. See kernels_amd64.h.

#include "textflag.h"

#define LANES 16
#define BYTES 64

#define V0 Z0
#define V1 Z1
#define V2 Z2
#define V3 Z3
#define V4 Z4
#define V5 Z5
#define V6 Z6
#define V7 Z7
#define V8 Z8
#define V9 Z9
#define V10 Z10
#define V12 Z12
#define V13 Z13

#define LOG2E Z31
#define LN2HI Z30
#define LN2LO Z29
#define E7 Z28
#define E6 Z27
#define E5 Z26
#define E4 Z25
#define HALF Z24
#define ONE Z23
#define FLOOR Z22
#define CAP Z21
#define SIGN Z20
#define NEGHALF Z19
#define ABS Z18
#define P Z17
#define A4 Z16
#define A3 Z15
#define A2 Z14
#define A1 Z13
#define DENSITY Z11
#define QUICK Z19

#define EXPCONST \
	VBROADCASTSS k<>+0(SB), LOG2E   \
	VBROADCASTSS k<>+32(SB), LN2HI  \
	VBROADCASTSS k<>+64(SB), LN2LO  \
	VBROADCASTSS k<>+96(SB), E7     \
	VBROADCASTSS k<>+128(SB), E6    \
	VBROADCASTSS k<>+160(SB), E5    \
	VBROADCASTSS k<>+192(SB), E4    \
	VBROADCASTSS k<>+224(SB), HALF  \
	VBROADCASTSS k<>+256(SB), ONE   \
	VBROADCASTSS k<>+288(SB), FLOOR \
	VBROADCASTSS k<>+320(SB), CAP   \
	VBROADCASTSS k<>+352(SB), SIGN

#define PHICONST \
	EXPCONST                          \
	VBROADCASTSS k<>+384(SB), NEGHALF \
	VBROADCASTSS k<>+416(SB), ABS     \
	VBROADCASTSS k<>+448(SB), P       \
	VBROADCASTSS k<>+512(SB), A4      \
	VBROADCASTSS k<>+544(SB), A3      \
	VBROADCASTSS k<>+576(SB), A2      \
	VBROADCASTSS k<>+608(SB), A1      \
	VBROADCASTSS k<>+640(SB), DENSITY

#define QUICKCONST \
	EXPCONST                          \
	VBROADCASTSS k<>+704(SB), QUICK

#define LOADE7(y) VMOVAPS E7, y
#define LOADA5(y) VBROADCASTSS k<>+480(SB), y

#define ROUND(n) VRNDSCALEPS $0, n, n

// y·2ⁿ
#define SCALE(n, y) VSCALEFPS n, y, y

// The lanes of neg where x has the sign, else those of pos.
#define BYSIGN(x, neg, pos, out) \
	VPMOVD2M x, K3 \
	VBLENDMPS neg, pos, K3, out

// y = d where x > 0, else 0; V8 is lost.
#define WHEREPOSITIVE(x, d, y) \
	VXORPS V8, V8, V8     \
	VCMPPS $30, V8, x, K2 \
	VMOVAPS.Z d, K2, y

// y becomes x in the lanes where x is NaN.
#define TAKENAN(x, y) \
	VCMPPS $3, x, x, K2 \
	VMOVAPS x, K2, y

// The mask of the first CX (< 16) lanes; CX and AX are lost.
#define TAILMASK \
	MOVL $1, AX \
	SHLL CX, AX \
	DECL AX     \
	KMOVW AX, K1

#define PART(m, r) VMOVUPS.Z m, K1, r
#define PARTST(r, m) VMOVUPS r, K1, m
#define CUT(r) VMOVAPS.Z r, K1, r
#define KEEP(old, r) VBLENDMPS r, old, K1, r

// The halves of V4 as float64: the upper one to V4, the lower one to V5.
#define WIDEN \
	VCVTPS2PD Y4, Z5          \
	VEXTRACTF64X4 $1, Z4, Y4  \
	VCVTPS2PD Y4, Z4

// Adds the halves of V0, or takes their maximum, down to the four lanes of X0.
#define HALVE(OP) \
	VEXTRACTF64X4 $1, Z0, Y1 \
	OP Y1, Y0, Y0            \
	VEXTRACTF128 $1, Y0, X1  \
	OP X1, X0, X0

#define HALVE64 \
	VEXTRACTF64X4 $1, Z0, Y1 \
	VADDPD Y1, Y0, Y0        \
	VEXTRACTF128 $1, Y0, X1  \
	VADDPD X1, X0, X0

// Four vectors into the second-level cache
#define FETCH4(m) \
	PREFETCHT1 m     \
	PREFETCHT1 64 m  \
	PREFETCHT1 128 m \
	PREFETCHT1 192 m
