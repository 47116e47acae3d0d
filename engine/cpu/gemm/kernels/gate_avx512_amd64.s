#include "gate_amd64.h"
#include "tiles_amd64.h"

// func gateTiles(p *putArgs)
TEXT ·gateTiles(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), R8
	MOVQ 0(R8), DI   // accumulators
	MOVQ 8(R8), R14  // addresses of rows
	MOVQ 16(R8), CX  // their number
	MOVQ 40(R8), AX
	GATING
	MOVL 48(R8), AX
	MASKS
	LEAQ (R14)(CX*8), R12

tile:
	LEAQ 256(R14), R13
	CMPQ R13, R12
	JLS  row
	MOVQ R12, R13

row:
	STORE_GATED(64(R8), 72(R8), wide, dropped)
	CMPQ R14, R13
	JB   row
	ADDQ $4096, DI
	CMPQ R14, R12
	JB   tile
	VZEROUPPER
	RET
