#include "textflag.h"

// func transpose8(dst *uint32, ldd int, src *uint32, lds int)
// transposes 8x8 words; the strides are in bytes.
TEXT ·transpose8(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), BX
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), DX
	LEAQ (DX)(DX*2), R8
	LEAQ (SI)(DX*4), R9
	LEAQ (BX)(BX*2), R10
	LEAQ (DI)(BX*4), R11

	// Rows r and r+4 side by side in halves of 128 bits: columns 0-3 in Y0-Y3,
	// columns 4-7 in Y4-Y7.
	VMOVUPS (SI), X0
	VINSERTF128 $1, (R9), Y0, Y0
	VMOVUPS (SI)(DX*1), X1
	VINSERTF128 $1, (R9)(DX*1), Y1, Y1
	VMOVUPS (SI)(DX*2), X2
	VINSERTF128 $1, (R9)(DX*2), Y2, Y2
	VMOVUPS (SI)(R8*1), X3
	VINSERTF128 $1, (R9)(R8*1), Y3, Y3
	VMOVUPS 16(SI), X4
	VINSERTF128 $1, 16(R9), Y4, Y4
	VMOVUPS 16(SI)(DX*1), X5
	VINSERTF128 $1, 16(R9)(DX*1), Y5, Y5
	VMOVUPS 16(SI)(DX*2), X6
	VINSERTF128 $1, 16(R9)(DX*2), Y6, Y6
	VMOVUPS 16(SI)(R8*1), X7
	VINSERTF128 $1, 16(R9)(R8*1), Y7, Y7

	VUNPCKLPS Y1, Y0, Y8
	VUNPCKHPS Y1, Y0, Y9
	VUNPCKLPS Y3, Y2, Y10
	VUNPCKHPS Y3, Y2, Y11
	VUNPCKLPD Y10, Y8, Y0
	VUNPCKHPD Y10, Y8, Y1
	VUNPCKLPD Y11, Y9, Y2
	VUNPCKHPD Y11, Y9, Y3
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, (DI)(BX*1)
	VMOVUPS Y2, (DI)(BX*2)
	VMOVUPS Y3, (DI)(R10*1)

	VUNPCKLPS Y5, Y4, Y8
	VUNPCKHPS Y5, Y4, Y9
	VUNPCKLPS Y7, Y6, Y10
	VUNPCKHPS Y7, Y6, Y11
	VUNPCKLPD Y10, Y8, Y0
	VUNPCKHPD Y10, Y8, Y1
	VUNPCKLPD Y11, Y9, Y2
	VUNPCKHPD Y11, Y9, Y3
	VMOVUPS Y0, (R11)
	VMOVUPS Y1, (R11)(BX*1)
	VMOVUPS Y2, (R11)(BX*2)
	VMOVUPS Y3, (R11)(R10*1)
	VZEROUPPER
	RET

// Words 0, 16, 1, 17, …
DATA zip<>+0(SB)/8, $0x0011000100100000
DATA zip<>+8(SB)/8, $0x0013000300120002
DATA zip<>+16(SB)/8, $0x0015000500140004
DATA zip<>+24(SB)/8, $0x0017000700160006
DATA zip<>+32(SB)/8, $0x0019000900180008
DATA zip<>+40(SB)/8, $0x001b000b001a000a
DATA zip<>+48(SB)/8, $0x001d000d001c000c
DATA zip<>+56(SB)/8, $0x001f000f001e000e
GLOBL zip<>(SB), RODATA|NOPTR, $64

DATA upper<>+0(SB)/4, $0xffff0000
GLOBL upper<>(SB), RODATA|NOPTR, $4

// Z16 = 32 bfloat16 of Z17 and Z18: VCVTNE2PS2BF16, for which the assembler has no
// name.
#define ROUND16 BYTE $0x62; BYTE $0xA2; BYTE $0x6F; BYTE $0x40; BYTE $0x72; BYTE $0xC1

// o = words of two rows at SI, which moves on.
#define HIGHWORDS(o) \
	VMOVUPS (SI), Z17        \
	VMOVUPS (SI)(DX*1), Z18  \
	LEAQ (SI)(DX*2), SI      \
	ROUND16                  \
	VPERMW Z16, Z31, o

// The same of what that takes away.
#define LOWWORDS(o) \
	HIGHWORDS(o)             \
	VPSLLD $16, o, Z19       \
	VPANDD Z30, o, Z20       \
	VSUBPS Z19, Z17, Z17     \
	VSUBPS Z20, Z18, Z18     \
	ROUND16                  \
	VPERMW Z16, Z31, o

#define PAIR32(a, b, lo, hi) \
	VPUNPCKLDQ b, a, lo \
	VPUNPCKHDQ b, a, hi

#define PAIR64(a, b, lo, hi) \
	VPUNPCKLQDQ b, a, lo \
	VPUNPCKHQDQ b, a, hi

// Four columns of four registers that hold, in their quarters, rows 0-3, 4-7, 8-11
// and 12-15.
#define QUARTERS(a, b, c, d, at) \
	VSHUFI32X4 $0x88, b, a, Z16      \
	VSHUFI32X4 $0xdd, b, a, Z17      \
	VSHUFI32X4 $0x88, d, c, Z18      \
	VSHUFI32X4 $0xdd, d, c, Z19      \
	VSHUFI32X4 $0x88, Z18, Z16, Z20  \
	VSHUFI32X4 $0x88, Z19, Z17, Z21  \
	VSHUFI32X4 $0xdd, Z18, Z16, Z22  \
	VSHUFI32X4 $0xdd, Z19, Z17, Z23  \
	VMOVDQU32 Z20, (at)              \
	VMOVDQU32 Z21, (at)(BX*4)        \
	VMOVDQU32 Z22, (at)(BX*8)        \
	LEAQ (at)(BX*8), R12             \
	VMOVDQU32 Z23, (R12)(BX*4)

// 32 rows of 16 numbers at a time become 16 rows of words of two; R9, R10 and R11
// are the second to the fourth of these.
#define TURN(WORDS) \
	MOVQ dst+0(FP), DI    \
	MOVQ ldd+8(FP), BX    \
	MOVQ src+16(FP), SI   \
	MOVQ lds+24(FP), DX   \
	MOVQ steps+32(FP), CX \
	VPBROADCASTD upper<>(SB), Z30 \
loop:                     \ // Words of two, then a transposition as TRANSPOSE16 has it, of halves.
	VMOVDQU64 zip<>(SB), Z31 \
	WORDS(Z0)             \
	WORDS(Z1)             \
	WORDS(Z2)             \
	WORDS(Z3)             \
	WORDS(Z4)             \
	WORDS(Z5)             \
	WORDS(Z6)             \
	WORDS(Z7)             \
	WORDS(Z8)             \
	WORDS(Z9)             \
	WORDS(Z10)            \
	WORDS(Z11)            \
	WORDS(Z12)            \
	WORDS(Z13)            \
	WORDS(Z14)            \
	WORDS(Z15)            \
	PAIR32(Z0, Z1, Z16, Z17)   \
	PAIR32(Z2, Z3, Z18, Z19)   \
	PAIR64(Z16, Z18, Z0, Z1)   \
	PAIR64(Z17, Z19, Z2, Z3)   \
	PAIR32(Z4, Z5, Z16, Z17)   \
	PAIR32(Z6, Z7, Z18, Z19)   \
	PAIR64(Z16, Z18, Z4, Z5)   \
	PAIR64(Z17, Z19, Z6, Z7)   \
	PAIR32(Z8, Z9, Z16, Z17)   \
	PAIR32(Z10, Z11, Z18, Z19) \
	PAIR64(Z16, Z18, Z8, Z9)   \
	PAIR64(Z17, Z19, Z10, Z11) \
	PAIR32(Z12, Z13, Z16, Z17) \
	PAIR32(Z14, Z15, Z18, Z19) \
	PAIR64(Z16, Z18, Z12, Z13) \
	PAIR64(Z17, Z19, Z14, Z15) \
	LEAQ (DI)(BX*1), R9   \
	LEAQ (DI)(BX*2), R10  \
	LEAQ (R9)(BX*2), R11  \
	QUARTERS(Z0, Z4, Z8, Z12, DI)   \
	QUARTERS(Z1, Z5, Z9, Z13, R9)   \
	QUARTERS(Z2, Z6, Z10, Z14, R10) \
	QUARTERS(Z3, Z7, Z11, Z15, R11) \
	ADDQ $64, DI          \
	DECQ CX               \
	JNZ  loop             \
	VZEROUPPER            \
	RET

// func turnHigh(dst *uint32, ldd int, src *float32, lds, steps int)
TEXT ·turnHigh(SB), NOSPLIT, $0-40
	TURN(HIGHWORDS)

// func turnLow(dst *uint32, ldd int, src *float32, lds, steps int)
TEXT ·turnLow(SB), NOSPLIT, $0-40
	TURN(LOWWORDS)
