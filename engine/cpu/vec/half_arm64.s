#include "textflag.h"
#include "neon_arm64.h"

// Numbers of 16 bits, eight at a time; n is a multiple of eight.

#define HALFARGS \
	MOVD dst+0(FP), R0 \
	MOVD src+8(FP), R1 \
	MOVD n+16(FP), R2

// func widenF16(dst *float32, src *uint16, n int)
TEXT ·widenF16(SB), NOSPLIT, $0-24
	HALFARGS

loop:
	LDQON(1, 16, 0)
	FCVTL4S(0, 1)
	FCVTL2_4S(0, 2)
	STPQON(0, 32, 1, 2)
	SUBS $8, R2
	BNE  loop
	RET

// func widenBF16(dst *float32, src *uint16, n int)
TEXT ·widenBF16(SB), NOSPLIT, $0-24
	HALFARGS

loop:
	LDQON(1, 16, 0)
	SHLL4S(0, 1)
	SHLL2_4S(0, 2)
	STPQON(0, 32, 1, 2)
	SUBS $8, R2
	BNE  loop
	RET

// func narrowF16(dst *uint16, src *float32, n int)
TEXT ·narrowF16(SB), NOSPLIT, $0-24
	HALFARGS

loop:
	LDPQON(1, 32, 0, 1)
	FCVTN4H(0, 2)
	FCVTN2_8H(1, 2)
	STQON(0, 16, 2)
	SUBS $8, R2
	BNE  loop
	RET

DATA nearest<>+0(SB)/4, $0x7fff
DATA nearest<>+4(SB)/4, $1
GLOBL nearest<>(SB), RODATA|NOPTR, $8

// Adds half of the last place, and the last place itself (4 is 0x7fff, 5 is 1) to break
// ties; t is lost.
#define ROUND(v, t) \
	USHR4S(16, v, t) \
	AND16B(t, 5, t)  \
	ADD4S(t, 4, t)   \
	ADD4S(v, t, v)

// func narrowBF16(dst *uint16, src *float32, n int)
TEXT ·narrowBF16(SB), NOSPLIT, $0-24
	HALFARGS
	MOVD $nearest<>(SB), R3
	LDALL4S(3, 4)
	ADD  $4, R3
	LDALL4S(3, 5)

loop:
	LDPQON(1, 32, 0, 1)
	ROUND(0, 2)
	ROUND(1, 3)
	SHRN4H(0, 2)
	SHRN2_8H(1, 2)
	STQON(0, 16, 2)
	SUBS $8, R2
	BNE  loop
	RET

// func roundBF16(dst *uint16, src *float32, n int)
//
// By the processor's own instruction: a NaN stays one. Any n.
TEXT ·roundBF16(SB), NOSPLIT, $0-24
	HALFARGS
	EXPONENTS
	CMP  $8, R2
	BLT  four

loop:
	LDPQON(1, 32, 0, 1)
	BFCVTN4H(0, 2)
	BFCVTN2_8H(1, 2)
	NORMALS(2)
	STQON(0, 16, 2)
	SUB  $8, R2
	CMP  $8, R2
	BGE  loop

four:
	CMP  $4, R2
	BLT  one
	LDQON(1, 16, 0)
	BFCVTN4H(0, 2)
	NORMALS(2)
	FMOVD F2, (R0)
	ADD  $8, R0
	SUB  $4, R2

one:
	CBZ  R2, end
	LDSON(1, 4, 0)
	BFCVTN4H(0, 2)
	NORMALS(2)
	FMOVS F2, R3
	MOVH R3, (R0)
	ADD  $2, R0
	SUB  $1, R2
	B    one

end:
	RET
