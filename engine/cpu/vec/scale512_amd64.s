#include "go_asm.h"
#include "lanes512_amd64.h"

// func scaleRows512(a *scaleArgs)
//
// In place, rows that are multiplied by 1 stay as they are.
TEXT ·scaleRows512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ scaleArgs_dst(R8), R9
	MOVQ scaleArgs_ldd(R8), R10
	MOVQ scaleArgs_src(R8), R11
	MOVQ scaleArgs_lds(R8), R12
	MOVQ scaleArgs_rows(R8), R13 // rows
	MOVQ scaleArgs_n(R8), CX
	MOVQ scaleArgs_factors(R8), R14 // factors
	MOVQ scaleArgs_step(R8), SI  // from one to the next
	MOVQ CX, DX
	ANDQ $(LANES-1), CX
	SUBQ CX, DX      // numbers of whole vectors
	TAILMASK

row:
	CMPQ R9, R11
	JNE  scale
	CMPL (R14), $0x3f800000
	JE   next

scale:
	VBROADCASTSS (R14), Z0
	XORL BX, BX
	CMPQ BX, DX
	JGE  tail

vector:
	VMULPS (R11)(BX*4), Z0, Z1
	VMOVUPS Z1, (R9)(BX*4)
	ADDQ $LANES, BX
	CMPQ BX, DX
	JLT  vector

tail:
	VMULPS.Z (R11)(BX*4), Z0, K1, Z1
	VMOVUPS Z1, K1, (R9)(BX*4)

next:
	ADDQ R10, R9
	ADDQ R12, R11
	ADDQ SI, R14
	DECQ R13
	JNZ  row
	VZEROUPPER
	RET
