#include "go_asm.h"
#include "textflag.h"
#include "tiles_amd64.h"
#include "transpose_amd64.h"

// func putTile(p *PutArgs)
TEXT ·putTile(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), R8
	MOVQ PutArgs_Acc(R8), SI  // accumulators
	MOVQ PutArgs_Rows(R8), R9  // addresses of rows
	MOVQ PutArgs_Count(R8), CX // their number
	MOVQ PutArgs_Delta(R8), R10 // from y to add, bytes
	MOVQ PutArgs_Add(R8), R11 // whether to add
	MOVQ PutArgs_Shift(R8), R12 // to the columns
	MOVQ PutArgs_Bias(R8), AX
	VMOVUPS (AX), Z2 // bias
	VMOVUPS 64(AX), Z3
	MOVL PutArgs_Mask(R8), AX
	KMOVW AX, K1
	SHRL $16, AX
	KMOVW AX, K2

row:
	MOVQ (R9), DI
	TESTQ DI, DI
	JZ    skip
	ADDQ  R12, DI
	VADDPS (SI), Z2, Z0
	VADDPS 64(SI), Z3, Z1
	TESTQ  R11, R11
	JZ     plain
	VADDPS.Z (DI)(R10*1), Z0, K1, Z0
	VADDPS.Z 64(DI)(R10*1), Z1, K2, Z1

plain:
	VMOVUPS Z0, K1, (DI)
	VMOVUPS Z1, K2, 64(DI)

skip:
	ADDQ $8, R9
	ADDQ $128, SI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// func bf16Row(dst *uint16, src *float32, n int)
TEXT ·bf16Row(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	SUBQ $32, CX
	JLT  tail
	VMOVUPS (SI), Z1
	VMOVUPS 64(SI), Z2
	ROUND32
	VMOVDQU64 Z0, (DI)
	ADDQ $128, SI
	ADDQ $64, DI
	JMP  loop

tail:
	ADDQ $32, CX
	JZ   end
	TAIL
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z 64(SI), K2, Z2
	ROUND32
	VMOVDQU16 Z0, K3, (DI)

end:
	VZEROUPPER
	RET

// func bf16RowLow(dst *uint16, src *float32, n int)
TEXT ·bf16RowLow(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	SUBQ $32, CX
	JLT  tail
	VMOVUPS (SI), Z1
	VMOVUPS 64(SI), Z2
	ROUND32
	LOW32
	VMOVDQU64 Z0, (DI)
	ADDQ $128, SI
	ADDQ $64, DI
	JMP  loop

tail:
	ADDQ $32, CX
	JZ   end
	TAIL
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z 64(SI), K2, Z2
	ROUND32
	LOW32
	VMOVDQU16 Z0, K3, (DI)

end:
	VZEROUPPER
	RET

// func bf16Rows(a *rowsArgs)
TEXT ·bf16Rows(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ RowsArgs_Dst(R8), R9   // dst
	MOVQ RowsArgs_Ldd(R8), R10  // its stride
	MOVQ RowsArgs_Src(R8), R11 // src
	MOVQ RowsArgs_Lds(R8), R12 // its stride
	MOVQ RowsArgs_N(R8), CX
	ANDQ $31, CX
	TAIL
	MOVQ RowsArgs_Count(R8), R13 // rows
	MOVQ RowsArgs_Low(R8), BX  // to the low parts

row:
	MOVQ R9, DI
	MOVQ R11, SI
	MOVQ RowsArgs_N(R8), CX

loop:
	SUBQ $32, CX
	JLT  tail
	VMOVUPS (SI), Z1
	VMOVUPS 64(SI), Z2
	ROUND32
	VMOVDQU64 Z0, (DI)
	TESTQ BX, BX
	JZ    next
	LOW32
	VMOVDQU64 Z0, (DI)(BX*1)

next:
	ADDQ $128, SI
	ADDQ $64, DI
	JMP  loop

tail:
	ADDQ $32, CX
	JZ   end
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z 64(SI), K2, Z2
	ROUND32
	VMOVDQU16 Z0, K3, (DI)
	TESTQ BX, BX
	JZ    end
	LOW32
	VMOVDQU16 Z0, K3, (DI)(BX*1)

end:
	ADDQ R10, R9
	ADDQ R12, R11
	DECQ R13
	JNZ  row
	VZEROUPPER
	RET

// func bf16Pairs(dst *uint32, even, odd *float32, n int)
TEXT ·bf16Pairs(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ even+8(FP), SI
	MOVQ odd+16(FP), DX
	MOVQ n+24(FP), CX
	PAIRING

loop:
	SUBQ $16, CX
	JLT  tail
	VMOVUPS (SI), Z1
	VMOVUPS (DX), Z2
	PAIRS16
	VMOVDQU32 Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	JMP  loop

tail:
	ADDQ $16, CX
	JZ   end
	TAIL
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z (DX), K1, Z2
	PAIRS16
	VMOVDQU32 Z0, K1, (DI)

end:
	VZEROUPPER
	RET

// func bf16PairsLow(dst *uint32, even, odd *float32, n int)
TEXT ·bf16PairsLow(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ even+8(FP), SI
	MOVQ odd+16(FP), DX
	MOVQ n+24(FP), CX
	PAIRING

loop:
	SUBQ $16, CX
	JLT  tail
	VMOVUPS (SI), Z1
	VMOVUPS (DX), Z2
	PAIRS16
	LOWPAIRS16
	VMOVDQU32 Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	JMP  loop

tail:
	ADDQ $16, CX
	JZ   end
	TAIL
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z (DX), K1, Z2
	PAIRS16
	LOWPAIRS16
	VMOVDQU32 Z0, K1, (DI)

end:
	VZEROUPPER
	RET

// func bf16RowPairs(a *rowsArgs)
TEXT ·bf16RowPairs(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ RowsArgs_Dst(R8), R9   // dst
	MOVQ RowsArgs_Ldd(R8), R10  // its stride
	MOVQ RowsArgs_Src(R8), R11 // src
	MOVQ RowsArgs_Lds(R8), R12 // its stride
	MOVQ RowsArgs_N(R8), CX
	ANDQ $15, CX
	TAIL
	MOVQ RowsArgs_Count(R8), R13 // pairs
	MOVQ RowsArgs_Low(R8), BX  // to the low parts
	MOVQ RowsArgs_Skip(R8), AX  // between 16 pairs of dst and the next
	PAIRING

pair:
	MOVQ R9, DI
	MOVQ R11, SI
	LEAQ (R11)(R12*1), DX
	MOVQ RowsArgs_N(R8), CX

loop:
	SUBQ $16, CX
	JLT  tail
	VMOVUPS (SI), Z1
	VMOVUPS (DX), Z2
	PAIRS16
	VMOVDQU32 Z0, (DI)
	TESTQ BX, BX
	JZ    next
	LOWPAIRS16
	VMOVDQU32 Z0, (DI)(BX*1)

next:
	ADDQ $64, SI
	ADDQ $64, DX
	LEAQ 64(DI)(AX*1), DI
	JMP  loop

tail:
	ADDQ $16, CX
	JZ   end
	VMOVUPS.Z (SI), K1, Z1
	VMOVUPS.Z (DX), K1, Z2
	PAIRS16
	VMOVDQU32 Z0, K1, (DI)
	TESTQ BX, BX
	JZ    end
	LOWPAIRS16
	VMOVDQU32 Z0, K1, (DI)(BX*1)

end:
	ADDQ R10, R9
	LEAQ (R11)(R12*2), R11
	DECQ R13
	JNZ  pair
	VZEROUPPER
	RET

// func transpose16(dst *uint32, ldd int, src *uint32, lds int)
// transposes 16x16 words; the strides are in bytes.
TEXT ·transpose16(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), BX
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), DX
	LEAQ (DX)(DX*2), R8
	LEAQ (SI)(DX*4), R9
	LEAQ (R9)(DX*4), R10
	LEAQ (R10)(DX*4), R11
	VMOVDQU32 (SI), Z0
	VMOVDQU32 (SI)(DX*1), Z1
	VMOVDQU32 (SI)(DX*2), Z2
	VMOVDQU32 (SI)(R8*1), Z3
	VMOVDQU32 (R9), Z4
	VMOVDQU32 (R9)(DX*1), Z5
	VMOVDQU32 (R9)(DX*2), Z6
	VMOVDQU32 (R9)(R8*1), Z7
	VMOVDQU32 (R10), Z8
	VMOVDQU32 (R10)(DX*1), Z9
	VMOVDQU32 (R10)(DX*2), Z10
	VMOVDQU32 (R10)(R8*1), Z11
	VMOVDQU32 (R11), Z12
	VMOVDQU32 (R11)(DX*1), Z13
	VMOVDQU32 (R11)(DX*2), Z14
	VMOVDQU32 (R11)(R8*1), Z15
	TRANSPOSE16
	LEAQ (BX)(BX*2), R8
	VMOVDQU32 Z20, (DI)
	VMOVDQU32 Z24, (DI)(BX*1)
	VMOVDQU32 Z28, (DI)(BX*2)
	VMOVDQU32 Z0, (DI)(R8*1)
	LEAQ (DI)(BX*4), DI
	VMOVDQU32 Z21, (DI)
	VMOVDQU32 Z25, (DI)(BX*1)
	VMOVDQU32 Z29, (DI)(BX*2)
	VMOVDQU32 Z4, (DI)(R8*1)
	LEAQ (DI)(BX*4), DI
	VMOVDQU32 Z22, (DI)
	VMOVDQU32 Z26, (DI)(BX*1)
	VMOVDQU32 Z30, (DI)(BX*2)
	VMOVDQU32 Z8, (DI)(R8*1)
	LEAQ (DI)(BX*4), DI
	VMOVDQU32 Z23, (DI)
	VMOVDQU32 Z27, (DI)(BX*1)
	VMOVDQU32 Z31, (DI)(BX*2)
	VMOVDQU32 Z12, (DI)(R8*1)
	VZEROUPPER
	RET
