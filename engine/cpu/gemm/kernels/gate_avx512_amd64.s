#include "go_asm.h"
#include "gate_amd64.h"
#include "tiles_amd64.h"

// func gateTiles(p *PutArgs)
TEXT ·gateTiles(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), R8
	MOVQ PutArgs_Acc(R8), DI   // accumulators
	MOVQ PutArgs_Rows(R8), R14  // addresses of rows
	MOVQ PutArgs_Count(R8), CX  // their number
	MOVQ PutArgs_Bias(R8), AX
	GATING
	MOVL PutArgs_Mask(R8), AX
	MASKS
	LEAQ (R14)(CX*8), R12

tile:
	LEAQ 256(R14), R13
	CMPQ R13, R12
	JLS  row
	MOVQ R12, R13

row:
	STORE_GATED(PutArgs_Half(R8), PutArgs_Shift(R8), wide, dropped)
	CMPQ R14, R13
	JB   row
	ADDQ $4096, DI
	CMPQ R14, R12
	JB   tile
	VZEROUPPER
	RET
