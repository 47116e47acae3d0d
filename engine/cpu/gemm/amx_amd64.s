#include "textflag.h"

// The assembler has no names for the tile instructions; these are their bytes.
// Tiles 0-3 accumulate, 4 and 5 hold 16 rows of a each, 6 and 7 16 columns of b.
#define LDTILECFG_AX BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define TILERELEASE BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0
#define TILEZERO(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0+8*r)
#define TILELOAD_AX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x18
#define TILELOAD_CX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x19
#define TILELOAD_DX_SI(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x32
#define TILELOAD_DI_SI(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x37
#define TILESTORE_AX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x18

// tile c += tile a · tile b
#define TDPBF16PS(c, a, b) BYTE $0xC4; BYTE $0xE2; BYTE $(8*(15-b)+2); BYTE $0x5C; BYTE $(0xC0+8*c+a)

// Eight tiles of 16 rows of 64 bytes.
DATA tilecfg<>+0(SB)/8, $1
DATA tilecfg<>+8(SB)/8, $0
DATA tilecfg<>+16(SB)/8, $0x0040004000400040
DATA tilecfg<>+24(SB)/8, $0x0040004000400040
DATA tilecfg<>+32(SB)/8, $0
DATA tilecfg<>+40(SB)/8, $0
DATA tilecfg<>+48(SB)/8, $0x1010101010101010
DATA tilecfg<>+56(SB)/8, $0
GLOBL tilecfg<>(SB), RODATA|NOPTR, $64

// func tileAMX(t *tileArgs)
TEXT ·tileAMX(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), R8
	LEAQ tilecfg<>(SB), AX
	LDTILECFG_AX
	MOVQ 40(R8), DX  // b
	MOVQ 48(R8), SI  // its stride
	MOVQ 56(R8), R9  // from b's first to its second tile
	MOVQ 64(R8), R10 // from one step to the next
	MOVQ 16(R8), R11 // offsets of the taps
	MOVQ 24(R8), R12 // their number
	MOVQ 72(R8), AX  // accumulators
	MOVQ $128, BX
	CMPQ 80(R8), $0
	JNE  resume
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	JMP  begin

resume:
	TILELOAD_AX_BX(0)
	ADDQ $64, AX
	TILELOAD_AX_BX(1)
	ADDQ $1984, AX
	TILELOAD_AX_BX(2)
	ADDQ $64, AX
	TILELOAD_AX_BX(3)

begin:
	MOVQ 8(R8), BX // stride of a
	MOVQ BX, R15
	SHLQ $4, R15   // 16 rows

tap:
	MOVQ 0(R8), AX
	ADDQ (R11), AX
	ADDQ $8, R11
	LEAQ (AX)(R15*1), CX
	MOVQ 32(R8), R13

step:
	LEAQ (DX)(R9*1), DI
	TILELOAD_AX_BX(4)
	TILELOAD_DX_SI(6)
	TDPBF16PS(0, 4, 6)
	TILELOAD_DI_SI(7)
	TDPBF16PS(1, 4, 7)
	TILELOAD_CX_BX(5)
	TDPBF16PS(2, 5, 6)
	TDPBF16PS(3, 5, 7)
	ADDQ $64, AX
	ADDQ $64, CX
	ADDQ R10, DX
	DECQ R13
	JNZ  step
	DECQ R12
	JNZ  tap

	MOVQ 72(R8), AX
	MOVQ $128, BX
	TILESTORE_AX_BX(0)
	ADDQ $64, AX
	TILESTORE_AX_BX(1)
	ADDQ $1984, AX
	TILESTORE_AX_BX(2)
	ADDQ $64, AX
	TILESTORE_AX_BX(3)
	TILERELEASE
	RET

// func putTile(p *putArgs)
TEXT ·putTile(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), R8
	MOVQ 0(R8), SI  // accumulators
	MOVQ 8(R8), R9  // addresses of rows
	MOVQ 16(R8), CX // their number
	MOVQ 24(R8), R10 // from y to add, bytes
	MOVQ 32(R8), R11 // whether to add
	MOVQ 40(R8), AX
	VMOVUPS (AX), Z2 // bias
	VMOVUPS 64(AX), Z3
	MOVL 48(R8), AX
	KMOVW AX, K1
	SHRL $16, AX
	KMOVW AX, K2

row:
	MOVQ (R9), DI
	TESTQ DI, DI
	JZ    skip
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

DATA rounding<>+0(SB)/4, $0x7fff
DATA rounding<>+4(SB)/4, $1
DATA rounding<>+8(SB)/4, $0xffff0000
GLOBL rounding<>(SB), RODATA|NOPTR, $12

// v plus half of the last place kept, ties to even; the high 16 bits are the bfloat16.
#define ROUND(v, t) \
	VPSRLD $16, v, t \
	VPANDD Z30, t, t \
	VPADDD Z31, v, v \
	VPADDD t, v, v

#define ROUNDING \
	VPBROADCASTD rounding<>+0(SB), Z31 \
	VPBROADCASTD rounding<>+4(SB), Z30 \
	VPBROADCASTD rounding<>+8(SB), Z29

// The mask of the last CX (< 16) lanes in K1.
#define TAIL \
	MOVL $1, AX    \
	SHLL CX, AX    \
	DECL AX        \
	KMOVW AX, K1

// func bf16Row(dst *uint16, src *float32, n int)
TEXT ·bf16Row(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	ROUNDING

loop:
	CMPQ CX, $16
	JLT  tail
	VMOVUPS (SI), Z0
	ROUND(Z0, Z1)
	VPSRLD $16, Z0, Z0
	VPMOVDW Z0, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ    end
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	ROUND(Z0, Z1)
	VPSRLD $16, Z0, Z0
	VPMOVDW Z0, K1, (DI)

end:
	VZEROUPPER
	RET

// func bf16Pairs(dst *uint32, even, odd *float32, n int)
TEXT ·bf16Pairs(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ even+8(FP), SI
	MOVQ odd+16(FP), DX
	MOVQ n+24(FP), CX
	ROUNDING

loop:
	CMPQ CX, $16
	JLT  tail
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z2
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSRLD $16, Z0, Z0
	VPANDD Z29, Z2, Z2
	VPORD  Z2, Z0, Z0
	VMOVDQU32 Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ    end
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (DX), K1, Z2
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSRLD $16, Z0, Z0
	VPANDD Z29, Z2, Z2
	VPORD  Z2, Z0, Z0
	VMOVDQU32 Z0, K1, (DI)

end:
	VZEROUPPER
	RET

// What rounding v to bfloat16 takes away.
#define LOW(v, t, h) \
	VMOVAPS v, h      \
	ROUND(h, t)       \
	VPANDD Z29, h, h  \
	VSUBPS h, v, v

// func bf16RowLow(dst *uint16, src *float32, n int)
TEXT ·bf16RowLow(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	ROUNDING

loop:
	CMPQ CX, $16
	JLT  tail
	VMOVUPS (SI), Z0
	LOW(Z0, Z1, Z2)
	ROUND(Z0, Z1)
	VPSRLD $16, Z0, Z0
	VPMOVDW Z0, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ    end
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	LOW(Z0, Z1, Z2)
	ROUND(Z0, Z1)
	VPSRLD $16, Z0, Z0
	VPMOVDW Z0, K1, (DI)

end:
	VZEROUPPER
	RET

// func bf16PairsLow(dst *uint32, even, odd *float32, n int)
TEXT ·bf16PairsLow(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ even+8(FP), SI
	MOVQ odd+16(FP), DX
	MOVQ n+24(FP), CX
	ROUNDING

loop:
	CMPQ CX, $16
	JLT  tail
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z2
	LOW(Z0, Z1, Z3)
	LOW(Z2, Z1, Z3)
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSRLD $16, Z0, Z0
	VPANDD Z29, Z2, Z2
	VPORD  Z2, Z0, Z0
	VMOVDQU32 Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ    end
	TAIL
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (DX), K1, Z2
	LOW(Z0, Z1, Z3)
	LOW(Z2, Z1, Z3)
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSRLD $16, Z0, Z0
	VPANDD Z29, Z2, Z2
	VPORD  Z2, Z0, Z0
	VMOVDQU32 Z0, K1, (DI)

end:
	VZEROUPPER
	RET

// func bf16PairRows(dst *uint32, src *float32, c, count int)
// c is a multiple of 16.
TEXT ·bf16PairRows(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ c+16(FP), BX
	MOVQ count+24(FP), R9
	ROUNDING

pair:
	LEAQ (SI)(BX*4), DX
	MOVQ BX, CX

lane:
	VMOVUPS (SI), Z0
	VMOVUPS (DX), Z2
	ROUND(Z0, Z1)
	ROUND(Z2, Z3)
	VPSRLD $16, Z0, Z0
	VPANDD Z29, Z2, Z2
	VPORD  Z2, Z0, Z0
	VMOVDQU32 Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ  lane
	MOVQ DX, SI
	DECQ R9
	JNZ  pair
	VZEROUPPER
	RET

#define PAIR32(a, b, lo, hi) \
	VPUNPCKLDQ b, a, lo \
	VPUNPCKHDQ b, a, hi

#define PAIR64(a, b, lo, hi) \
	VPUNPCKLQDQ b, a, lo \
	VPUNPCKHQDQ b, a, hi

// Four registers holding rows r, r+4, r+8, r+12 in their 128-bit quarters.
#define QUARTERS(a, b, c, d, t0, t1, t2, t3, o0, o1, o2, o3) \
	VSHUFI32X4 $0x88, b, a, t0   \
	VSHUFI32X4 $0xdd, b, a, t1   \
	VSHUFI32X4 $0x88, d, c, t2   \
	VSHUFI32X4 $0xdd, d, c, t3   \
	VSHUFI32X4 $0x88, t2, t0, o0 \
	VSHUFI32X4 $0x88, t3, t1, o1 \
	VSHUFI32X4 $0xdd, t2, t0, o2 \
	VSHUFI32X4 $0xdd, t3, t1, o3

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
	PAIR32(Z0, Z1, Z16, Z17)
	PAIR32(Z2, Z3, Z18, Z19)
	PAIR32(Z4, Z5, Z20, Z21)
	PAIR32(Z6, Z7, Z22, Z23)
	PAIR32(Z8, Z9, Z24, Z25)
	PAIR32(Z10, Z11, Z26, Z27)
	PAIR32(Z12, Z13, Z28, Z29)
	PAIR32(Z14, Z15, Z30, Z31)
	PAIR64(Z16, Z18, Z0, Z1)
	PAIR64(Z17, Z19, Z2, Z3)
	PAIR64(Z20, Z22, Z4, Z5)
	PAIR64(Z21, Z23, Z6, Z7)
	PAIR64(Z24, Z26, Z8, Z9)
	PAIR64(Z25, Z27, Z10, Z11)
	PAIR64(Z28, Z30, Z12, Z13)
	PAIR64(Z29, Z31, Z14, Z15)
	// Zr (r = 0…3) has columns r, r+4, r+8, r+12 of rows 0-3; Z4-7 of rows 4-7, and so on.
	QUARTERS(Z0, Z4, Z8, Z12, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)
	QUARTERS(Z1, Z5, Z9, Z13, Z16, Z17, Z18, Z19, Z24, Z25, Z26, Z27)
	QUARTERS(Z2, Z6, Z10, Z14, Z16, Z17, Z18, Z19, Z28, Z29, Z30, Z31)
	QUARTERS(Z3, Z7, Z11, Z15, Z16, Z17, Z18, Z19, Z0, Z4, Z8, Z12)
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
