#include "go_asm.h"
#include "textflag.h"

DATA winoconst<>+0(SB)/4, $0x40800000  // 4
DATA winoconst<>+4(SB)/4, $0x40a00000  // 5
DATA winoconst<>+8(SB)/4, $0x40000000  // 2
DATA winoconst<>+12(SB)/4, $0x41000000 // 8
DATA winoconst<>+16(SB)/4, $0x3e800000 // 1/4
DATA winoconst<>+20(SB)/4, $0x3e2aaaab // 1/6
DATA winoconst<>+24(SB)/4, $0x3d2aaaab // 1/24
DATA winoconst<>+28(SB)/4, $0x3daaaaab // 1/12
GLOBL winoconst<>(SB), RODATA|NOPTR, $32

// The lanes of the channels that are left (CX) in K1.
#define LANES(full) \
	MOVL $-1, AX     \
	CMPQ CX, $16     \
	JGE  full        \
	MOVL $1, AX      \
	SHLL CX, AX      \
	DECL AX

// Bᵀ of a row to Z6-Z11.
#define BT(a, b, c, d, e, f) \
	VMOVAPS e, Z6              \
	VFMADD231PS Z31, a, Z6     \
	VFNMADD231PS Z30, c, Z6    \
	VMOVAPS e, Z12             \
	VFNMADD231PS Z31, c, Z12   \
	VMOVAPS d, Z13             \
	VFNMADD231PS Z31, b, Z13   \
	VADDPS Z13, Z12, Z7        \
	VSUBPS Z13, Z12, Z8        \
	VSUBPS c, e, Z9            \
	VSUBPS b, d, Z13           \
	VMOVAPS Z9, Z10            \
	VFMADD231PS Z29, Z13, Z9   \
	VFNMADD231PS Z29, Z13, Z10 \
	VMOVAPS f, Z11             \
	VFMADD231PS Z31, b, Z11    \
	VFNMADD231PS Z30, d, Z11

#define PIXEL(i, z) \
	MOVQ (i*8)(R8), AX            \
	VMOVUPS.Z (AX)(R14*1), K1, z

// The same, and what the tile below will see first.
#define PIXELAHEAD(i, z) \
	MOVQ (i*8)(R8), AX           \
	VMOVUPS.Z (AX)(R14*1), K1, z \
	PREFETCHT1 (AX)(R13*1)

// Column j of rows 0 and 5 of Bᵀd, of the pixels a, b and c.
#define RIM(a, b, c, j, z) \
	PIXEL((a+j), Z20)          \
	PIXEL((b+j), Z21)          \
	PIXEL((c+j), z)            \
	VFMADD231PS Z31, Z20, z    \
	VFNMADD231PS Z30, Z21, z

#define RIMAHEAD(a, b, c, j, z) \
	PIXEL((a+j), Z20)          \
	PIXEL((b+j), Z21)          \
	PIXELAHEAD((c+j), z)       \
	VFMADD231PS Z31, Z20, z    \
	VFNMADD231PS Z30, Z21, z

// Column j of rows 1 and 2, of the pixels Z20-Z23 of rows 1 to 4.
#define INNER(y, z) \
	VFNMADD231PS Z31, Z21, Z23 \
	VFNMADD231PS Z31, Z20, Z22 \
	VADDPS Z22, Z23, y         \
	VSUBPS Z22, Z23, z

#define PAIR12(j, y, z) \
	PIXEL((6+j), Z20)          \
	PIXEL((12+j), Z21)         \
	PIXEL((18+j), Z22)         \
	PIXEL((24+j), Z23)         \
	INNER(y, z)

#define PAIR12AHEAD(j, y, z) \
	PIXEL((6+j), Z20)          \
	PIXELAHEAD((12+j), Z21)    \
	PIXELAHEAD((18+j), Z22)    \
	PIXELAHEAD((24+j), Z23)    \
	INNER(y, z)

// Column j of rows 3 and 4.
#define PAIR34(j, y, z) \
	PIXEL((6+j), Z20)          \
	PIXEL((12+j), Z21)         \
	PIXEL((18+j), Z22)         \
	PIXEL((24+j), y)           \
	VSUBPS Z21, y, y           \
	VSUBPS Z20, Z22, Z22       \
	VMOVAPS y, z               \
	VFMADD231PS Z29, Z22, y    \
	VFNMADD231PS Z29, Z22, z

#define PUTV(z) \
	VMOVUPS z, K1, (DI) \
	ADDQ R10, DI

#define INROW(a, b, c, d, e, f) \
	BT(a, b, c, d, e, f) \
	PUTV(Z6)             \
	PUTV(Z7)             \
	PUTV(Z8)             \
	PUTV(Z9)             \
	PUTV(Z10)            \
	PUTV(Z11)

// The assembler has no name for PREFETCHW; these are its bytes for the line at DI.
// A store to a line that is not in the first-level cache holds up all after it.
#define EXPECT \
	BYTE $0x0F; BYTE $0x0D; BYTE $0x0F \
	ADDQ R10, DI

#define EXPECT6 \
	EXPECT \
	EXPECT \
	EXPECT \
	EXPECT \
	EXPECT \
	EXPECT

// func winoIn512(a *winoInArgs)
TEXT ·winoIn512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // V
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	MOVQ WinoInArgs_Ahead(DX), R13 // to the tile below
	VBROADCASTSS winoconst<>+0(SB), Z31
	VBROADCASTSS winoconst<>+4(SB), Z30
	VBROADCASTSS winoconst<>+8(SB), Z29
	XORQ R14, R14

group:
	LANES(full)

full:
	KMOVW AX, K1
	LEAQ (R11)(R14*1), DI
	EXPECT6
	EXPECT6
	EXPECT6
	EXPECT6
	EXPECT6
	EXPECT6
	LEAQ (R11)(R14*1), DI
	RIM(0, 12, 24, 0, Z0)
	RIM(0, 12, 24, 1, Z1)
	RIM(0, 12, 24, 2, Z2)
	RIM(0, 12, 24, 3, Z3)
	RIM(0, 12, 24, 4, Z4)
	RIM(0, 12, 24, 5, Z5)
	INROW(Z0, Z1, Z2, Z3, Z4, Z5)
	PAIR12(0, Z0, Z14)
	PAIR12AHEAD(1, Z1, Z15)
	PAIR12AHEAD(2, Z2, Z16)
	PAIR12AHEAD(3, Z3, Z17)
	PAIR12AHEAD(4, Z4, Z18)
	PAIR12(5, Z5, Z19)
	INROW(Z0, Z1, Z2, Z3, Z4, Z5)
	INROW(Z14, Z15, Z16, Z17, Z18, Z19)
	PAIR34(0, Z0, Z14)
	PAIR34(1, Z1, Z15)
	PAIR34(2, Z2, Z16)
	PAIR34(3, Z3, Z17)
	PAIR34(4, Z4, Z18)
	PAIR34(5, Z5, Z19)
	INROW(Z0, Z1, Z2, Z3, Z4, Z5)
	INROW(Z14, Z15, Z16, Z17, Z18, Z19)
	RIM(6, 18, 30, 0, Z0)
	RIMAHEAD(6, 18, 30, 1, Z1)
	RIMAHEAD(6, 18, 30, 2, Z2)
	RIMAHEAD(6, 18, 30, 3, Z3)
	RIMAHEAD(6, 18, 30, 4, Z4)
	RIM(6, 18, 30, 5, Z5)
	INROW(Z0, Z1, Z2, Z3, Z4, Z5)
	ADDQ $64, R14
	ADDQ $64, R13
	SUBQ $16, CX
	JGT  group
	VZEROUPPER
	RET

// func winoFilter512(a *winoFilterArgs)
TEXT ·winoFilter512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // taps
	MOVQ WinoFilterArgs_Tap(DX), BX   // from one tap to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // U
	MOVQ WinoFilterArgs_Row(DX), AX  // a row of G
	VBROADCASTSS (AX), Z31
	VBROADCASTSS 4(AX), Z30
	VBROADCASTSS 8(AX), Z29
	MOVQ WinoFilterArgs_Words(DX), CX  // words
	MOVQ CX, R10
	SHLQ $2, R10     // bytes from one j to the next
	CMPQ WinoFilterArgs_Flipped(DX), $0
	JEQ  forward
	LEAQ (SI)(BX*8), SI
	NEGQ BX

forward:
	LEAQ (BX)(BX*2), R11 // three taps
	LEAQ (R10)(R10*2), R12
	VBROADCASTSS winoconst<>+16(SB), Z20
	VBROADCASTSS winoconst<>+20(SB), Z21
	VBROADCASTSS winoconst<>+24(SB), Z22
	VBROADCASTSS winoconst<>+28(SB), Z23

vector:
	LEAQ (SI)(R11*1), R8
	LEAQ (R8)(R11*1), R9
	VMULPS (SI), Z31, Z0
	VMULPS (SI)(BX*1), Z31, Z1
	VMULPS (SI)(BX*2), Z31, Z2
	VFMADD231PS (R8), Z30, Z0
	VFMADD231PS (R8)(BX*1), Z30, Z1
	VFMADD231PS (R8)(BX*2), Z30, Z2
	VFMADD231PS (R9), Z29, Z0
	VFMADD231PS (R9)(BX*1), Z29, Z1
	VFMADD231PS (R9)(BX*2), Z29, Z2
	LEAQ (DI)(R12*1), R13
	VMULPS Z20, Z0, Z3
	VMOVUPS Z3, (DI)
	VADDPS Z2, Z0, Z4
	VSUBPS Z4, Z1, Z5    // w1 - (w0 + w2)
	VADDPS Z1, Z4, Z4
	VMULPS Z21, Z4, Z4
	VXORPS Z6, Z6, Z6
	VSUBPS Z4, Z6, Z4
	VMULPS Z21, Z5, Z5
	VMOVUPS Z4, (DI)(R10*1)
	VMOVUPS Z5, (DI)(R10*2)
	VMULPS Z22, Z0, Z6
	VFMADD231PS Z21, Z2, Z6
	VMULPS Z23, Z1, Z7
	VADDPS Z7, Z6, Z8
	VSUBPS Z7, Z6, Z9
	VMOVUPS Z8, (R13)
	VMOVUPS Z9, (R13)(R10*1)
	VMOVUPS Z2, (R13)(R10*2)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGT  vector
	VZEROUPPER
	RET

// Aᵀ of Z0-Z5 to Z6-Z9.
#define AT \
	VADDPS Z2, Z1, Z10       \
	VSUBPS Z2, Z1, Z7        \
	VADDPS Z4, Z3, Z11       \
	VSUBPS Z4, Z3, Z12       \
	VADDPS Z10, Z0, Z6       \
	VADDPS Z11, Z6, Z6       \
	VADDPS Z5, Z7, Z9        \
	VFMADD231PS Z28, Z12, Z9 \
	VFMADD231PS Z29, Z12, Z7 \
	VMOVAPS Z10, Z8          \
	VFMADD231PS Z31, Z11, Z8

#define OUTCOLUMN(j) \
	LEAQ (BX)(R11*4), DI        \
	VMOVUPS.Z (BX), K1, Z0      \
	VMOVUPS.Z (BX)(R11*1), K1, Z1 \
	VMOVUPS.Z (BX)(R11*2), K1, Z2 \
	VMOVUPS.Z (BX)(R12*1), K1, Z3 \
	VMOVUPS.Z (DI), K1, Z4      \
	VMOVUPS.Z (DI)(R11*1), K1, Z5 \
	AT                          \
	VMOVUPS Z6, (j*64)(R9)      \
	VMOVUPS Z7, ((6+j)*64)(R9)  \
	VMOVUPS Z8, ((12+j)*64)(R9) \
	VMOVUPS Z9, ((18+j)*64)(R9) \
	ADDQ R10, BX

#define OUTROW(i) \
	VMOVUPS (i*384)(R9), Z0     \
	VMOVUPS (i*384+64)(R9), Z1  \
	VMOVUPS (i*384+128)(R9), Z2 \
	VMOVUPS (i*384+192)(R9), Z3 \
	VMOVUPS (i*384+256)(R9), Z4 \
	VMOVUPS (i*384+320)(R9), Z5 \
	AT

// A result with bias, and with what is to be added, if its address is not 0.
#define PUTY(n, z, plain, skip) \
	MOVQ (n*8)(R8), DI            \
	TESTQ DI, DI                  \
	JZ   skip                     \
	ADDQ R14, DI                  \
	VADDPS Z27, z, z              \
	TESTQ R15, R15                \
	JZ   plain                    \
	VADDPS.Z (DI)(R13*1), z, K1, z

// The line of result n of the tile to the right.
#define EXPECTY(n) \
	MOVQ (n*8)(R8), DI                 \
	ADDQ DX, DI                        \
	BYTE $0x0F; BYTE $0x0D; BYTE $0x0F

// func winoOut512(a *winoOutArgs)
TEXT ·winoOut512(SB), NOSPLIT, $8-8
	MOVQ a+0(FP), DX
	MOVQ WinoOutArgs_Src(DX), SI   // M
	MOVQ WinoOutArgs_Stride(DX), R10  // from one ξ to the next
	MOVQ WinoOutArgs_Channels(DX), CX  // channels
	MOVQ WinoOutArgs_Results(DX), R8  // results
	MOVQ WinoOutArgs_Bias(DX), BP  // bias
	MOVQ WinoOutArgs_Add(DX), R15 // whether to add
	MOVQ WinoOutArgs_Delta(DX), R13 // what lies so far away
	MOVQ WinoOutArgs_Tmp(DX), R9  // tmp
	MOVQ WinoOutArgs_Ahead(DX), DX  // to the tile to the right
	LEAQ (R10)(R10*2), R11
	SHLQ $1, R11     // six ξ
	LEAQ (R11)(R11*2), R12
	VBROADCASTSS winoconst<>+0(SB), Z31
	VBROADCASTSS winoconst<>+8(SB), Z29
	VBROADCASTSS winoconst<>+12(SB), Z28
	XORQ R14, R14

group:
	LANES(full)

full:
	KMOVW AX, K1
	VMOVUPS (BP)(R14*1), Z27
	LEAQ (SI)(R14*1), BX
	EXPECTY(0)
	EXPECTY(1)
	EXPECTY(2)
	EXPECTY(3)
	EXPECTY(4)
	EXPECTY(5)
	EXPECTY(6)
	EXPECTY(7)
	EXPECTY(8)
	EXPECTY(9)
	EXPECTY(10)
	EXPECTY(11)
	EXPECTY(12)
	EXPECTY(13)
	EXPECTY(14)
	EXPECTY(15)
	OUTCOLUMN(0)
	OUTCOLUMN(1)
	OUTCOLUMN(2)
	OUTCOLUMN(3)
	OUTCOLUMN(4)
	OUTCOLUMN(5)
	OUTROW(0)
	PUTY(0, Z6, plain0, skip0)

plain0:
	VMOVUPS Z6, K1, (DI)

skip0:
	PUTY(1, Z7, plain1, skip1)

plain1:
	VMOVUPS Z7, K1, (DI)

skip1:
	PUTY(2, Z8, plain2, skip2)

plain2:
	VMOVUPS Z8, K1, (DI)

skip2:
	PUTY(3, Z9, plain3, skip3)

plain3:
	VMOVUPS Z9, K1, (DI)

skip3:
	OUTROW(1)
	PUTY(4, Z6, plain4, skip4)

plain4:
	VMOVUPS Z6, K1, (DI)

skip4:
	PUTY(5, Z7, plain5, skip5)

plain5:
	VMOVUPS Z7, K1, (DI)

skip5:
	PUTY(6, Z8, plain6, skip6)

plain6:
	VMOVUPS Z8, K1, (DI)

skip6:
	PUTY(7, Z9, plain7, skip7)

plain7:
	VMOVUPS Z9, K1, (DI)

skip7:
	OUTROW(2)
	PUTY(8, Z6, plain8, skip8)

plain8:
	VMOVUPS Z6, K1, (DI)

skip8:
	PUTY(9, Z7, plain9, skip9)

plain9:
	VMOVUPS Z7, K1, (DI)

skip9:
	PUTY(10, Z8, plain10, skip10)

plain10:
	VMOVUPS Z8, K1, (DI)

skip10:
	PUTY(11, Z9, plain11, skip11)

plain11:
	VMOVUPS Z9, K1, (DI)

skip11:
	OUTROW(3)
	PUTY(12, Z6, plain12, skip12)

plain12:
	VMOVUPS Z6, K1, (DI)

skip12:
	PUTY(13, Z7, plain13, skip13)

plain13:
	VMOVUPS Z7, K1, (DI)

skip13:
	PUTY(14, Z8, plain14, skip14)

plain14:
	VMOVUPS Z8, K1, (DI)

skip14:
	PUTY(15, Z9, plain15, skip15)

plain15:
	VMOVUPS Z9, K1, (DI)

skip15:
	ADDQ $64, R14
	ADDQ $64, DX
	SUBQ $16, CX
	JGT  group
	VZEROUPPER
	RET

// A of Z0-Z3 to Z6-Z11 (Z6 and Z11 are Z0 and Z3).
#define AMAP \
	VADDPS Z2, Z0, Z12       \
	VADDPS Z3, Z1, Z13       \
	VADDPS Z13, Z12, Z7      \
	VSUBPS Z13, Z12, Z8      \
	VMOVAPS Z0, Z12          \
	VFMADD231PS Z31, Z2, Z12 \
	VMULPS Z29, Z1, Z13      \
	VFMADD231PS Z28, Z3, Z13 \
	VADDPS Z13, Z12, Z9      \
	VSUBPS Z13, Z12, Z10     \
	VMOVAPS Z0, Z6           \
	VMOVAPS Z3, Z11

#define GRADCOLUMN(j) \
	PIXELAHEAD((j), Z0)          \
	PIXELAHEAD((4+j), Z1)        \
	PIXELAHEAD((8+j), Z2)        \
	PIXELAHEAD((12+j), Z3)       \
	AMAP                         \
	VMOVUPS Z6, (j*64)(R9)       \
	VMOVUPS Z7, ((4+j)*64)(R9)   \
	VMOVUPS Z8, ((8+j)*64)(R9)   \
	VMOVUPS Z9, ((12+j)*64)(R9)  \
	VMOVUPS Z10, ((16+j)*64)(R9) \
	VMOVUPS Z11, ((20+j)*64)(R9)

#define GRADROW(i) \
	VMOVUPS (i*256)(R9), Z0     \
	VMOVUPS (i*256+64)(R9), Z1  \
	VMOVUPS (i*256+128)(R9), Z2 \
	VMOVUPS (i*256+192)(R9), Z3 \
	AMAP                        \
	PUTV(Z6)                    \
	PUTV(Z7)                    \
	PUTV(Z8)                    \
	PUTV(Z9)                    \
	PUTV(Z10)                   \
	PUTV(Z11)

// func winoGrad512(a *winoInArgs)
TEXT ·winoGrad512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // the result
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	MOVQ WinoInArgs_Tmp(DX), R9  // tmp
	MOVQ WinoInArgs_Ahead(DX), R13 // to the tile below
	VBROADCASTSS winoconst<>+0(SB), Z31
	VBROADCASTSS winoconst<>+8(SB), Z29
	VBROADCASTSS winoconst<>+12(SB), Z28
	XORQ R14, R14

group:
	LANES(full)

full:
	KMOVW AX, K1
	LEAQ (R11)(R14*1), DI
	EXPECT6
	EXPECT6
	EXPECT6
	EXPECT6
	EXPECT6
	EXPECT6
	GRADCOLUMN(0)
	GRADCOLUMN(1)
	GRADCOLUMN(2)
	GRADCOLUMN(3)
	LEAQ (R11)(R14*1), DI
	GRADROW(0)
	GRADROW(1)
	GRADROW(2)
	GRADROW(3)
	GRADROW(4)
	GRADROW(5)
	ADDQ $64, R14
	ADDQ $64, R13
	SUBQ $16, CX
	JGT  group
	VZEROUPPER
	RET

// Gᵀ of Z0-Z5 to three registers.
#define GT(g0, g1, g2) \
	VADDPS Z2, Z1, Z6       \
	VSUBPS Z1, Z2, Z7       \
	VADDPS Z4, Z3, Z8       \
	VSUBPS Z4, Z3, Z9       \
	VMULPS Z20, Z0, g0      \
	VFNMADD231PS Z21, Z6, g0 \
	VFMADD231PS Z22, Z8, g0 \
	VMULPS Z21, Z7, g1      \
	VFMADD231PS Z23, Z9, g1 \
	VMOVAPS Z5, g2          \
	VFNMADD231PS Z21, Z6, g2 \
	VFMADD231PS Z21, Z8, g2

// Column j: ξ = j, 6+j, …, 30+j.
#define FILTERCOLUMN(g0, g1, g2) \
	LEAQ (AX)(R11*4), R13       \
	VMOVUPS (AX), Z0            \
	VMOVUPS (AX)(R11*1), Z1     \
	VMOVUPS (AX)(R11*2), Z2     \
	VMOVUPS (AX)(R12*1), Z3     \
	VMOVUPS (R13), Z4           \
	VMOVUPS (R13)(R11*1), Z5    \
	GT(g0, g1, g2)              \
	ADDQ BX, AX

#define FILTERROW(a, b, c, d, e, f) \
	VMOVAPS a, Z0 \
	VMOVAPS b, Z1 \
	VMOVAPS c, Z2 \
	VMOVAPS d, Z3 \
	VMOVAPS e, Z4 \
	VMOVAPS f, Z5 \
	GT(Z10, Z11, Z12) \
	VMOVUPS Z10, (R8)         \
	VMOVUPS Z11, (R8)(R10*1)  \
	VMOVUPS Z12, (R8)(R10*2)  \
	ADDQ R9, R8

// func winoFilterGrad512(a *winoFilterArgs)
TEXT ·winoFilterGrad512(SB), NOSPLIT, $128-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // ξ = 0
	MOVQ WinoFilterArgs_Tap(DX), BX   // from one ξ to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // the filters
	MOVQ WinoFilterArgs_Words(DX), CX  // words
	MOVQ CX, R10
	SHLQ $2, R10     // bytes from one tap to the next
	LEAQ (R10)(R10*2), R9
	LEAQ (BX)(BX*2), R11
	SHLQ $1, R11     // six ξ
	LEAQ (R11)(R11*2), R12
	VBROADCASTSS winoconst<>+16(SB), Z20
	VBROADCASTSS winoconst<>+20(SB), Z21
	VBROADCASTSS winoconst<>+24(SB), Z22
	VBROADCASTSS winoconst<>+28(SB), Z23

vector:
	MOVQ SI, AX
	FILTERCOLUMN(Z13, Z14, Z15)
	FILTERCOLUMN(Z16, Z17, Z18)
	FILTERCOLUMN(Z19, Z24, Z25)
	FILTERCOLUMN(Z26, Z27, Z28)
	FILTERCOLUMN(Z29, Z30, Z31)
	FILTERCOLUMN(Z10, Z11, Z12)
	MOVQ DI, R8
	VMOVUPS Z11, tmp-64(SP)
	VMOVUPS Z12, tmp2-128(SP)
	FILTERROW(Z13, Z16, Z19, Z26, Z29, Z10)
	VMOVUPS tmp-64(SP), Z11
	FILTERROW(Z14, Z17, Z24, Z27, Z30, Z11)
	VMOVUPS tmp2-128(SP), Z12
	FILTERROW(Z15, Z18, Z25, Z28, Z31, Z12)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGT  vector
	VZEROUPPER
	RET
