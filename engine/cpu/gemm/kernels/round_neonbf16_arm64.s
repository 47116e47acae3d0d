#include "textflag.h"
#include "../../vec/neon_arm64.h"

// Rounding to bfloat16, to nearest even.

// func roundRow(dst *uint16, src *float32, n int)
TEXT ·roundRow(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	EXPONENTS
	SUBS $8, R2
	BLT  ones

eights:
	LDPQON(1, 32, 0, 1)
	BFCVTN4H(0, 2)
	BFCVTN2_8H(1, 2)
	NORMALS(2)
	STQON(0, 16, 2)
	SUBS $8, R2
	BGE  eights

ones:
	ADDS $8, R2
	BEQ  end

one:
	LDSON(1, 4, 0)
	BFCVTN4H(0, 2)
	NORMALS(2)
	FMOVS F2, R3
	MOVH R3, (R0)
	ADD  $2, R0
	SUBS $1, R2
	BNE  one

end:
	RET

// func roundPairs(dst *uint32, even, odd *float32, n int)
TEXT ·roundPairs(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD even+8(FP), R1
	MOVD odd+16(FP), R2
	MOVD n+24(FP), R3
	EXPONENTS
	SUBS $4, R3
	BLT  ones

fours:
	LDQON(1, 16, 0)
	LDQON(2, 16, 1)
	BFCVTN4H(0, 0)
	BFCVTN4H(1, 1)
	ZIP1_8H(0, 1, 0)
	NORMALS(0)
	STQON(0, 16, 0)
	SUBS $4, R3
	BGE  fours

ones:
	ADDS $4, R3
	BEQ  end

one:
	LDSON(1, 4, 0)
	LDSON(2, 4, 1)
	BFCVTN4H(0, 0)
	BFCVTN4H(1, 1)
	ZIP1_8H(0, 1, 0)
	NORMALS(0)
	STSON(0, 4, 0)
	SUBS $1, R3
	BNE  one

end:
	RET
