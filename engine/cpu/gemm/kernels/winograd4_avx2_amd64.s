#include "go_asm.h"
#include "textflag.h"

// Winograd's transforms with AVX2 and FMA, eight channels at a time; the number
// of channels is a multiple of eight.

DATA two<>+0(SB)/8, $0x4000000040000000
DATA two<>+8(SB)/8, $0x4000000040000000
DATA two<>+16(SB)/8, $0x4000000040000000
DATA two<>+24(SB)/8, $0x4000000040000000
GLOBL two<>(SB), RODATA|NOPTR, $32
DATA quarter<>+0(SB)/8, $0x3e8000003e800000
DATA quarter<>+8(SB)/8, $0x3e8000003e800000
DATA quarter<>+16(SB)/8, $0x3e8000003e800000
DATA quarter<>+24(SB)/8, $0x3e8000003e800000
GLOBL quarter<>(SB), RODATA|NOPTR, $32
DATA sixth<>+0(SB)/8, $0x3e2aaaab3e2aaaab
DATA sixth<>+8(SB)/8, $0x3e2aaaab3e2aaaab
DATA sixth<>+16(SB)/8, $0x3e2aaaab3e2aaaab
DATA sixth<>+24(SB)/8, $0x3e2aaaab3e2aaaab
GLOBL sixth<>(SB), RODATA|NOPTR, $32
DATA twentyfourth<>+0(SB)/8, $0x3d2aaaab3d2aaaab
DATA twentyfourth<>+8(SB)/8, $0x3d2aaaab3d2aaaab
DATA twentyfourth<>+16(SB)/8, $0x3d2aaaab3d2aaaab
DATA twentyfourth<>+24(SB)/8, $0x3d2aaaab3d2aaaab
GLOBL twentyfourth<>(SB), RODATA|NOPTR, $32
DATA twelfth<>+0(SB)/8, $0x3daaaaab3daaaaab
DATA twelfth<>+8(SB)/8, $0x3daaaaab3daaaaab
DATA twelfth<>+16(SB)/8, $0x3daaaaab3daaaaab
DATA twelfth<>+24(SB)/8, $0x3daaaaab3daaaaab
GLOBL twelfth<>(SB), RODATA|NOPTR, $32

DATA winoconst256<>+0(SB)/4, $0x40800000  // 4
DATA winoconst256<>+4(SB)/4, $0x40a00000  // 5
DATA winoconst256<>+8(SB)/4, $0x40000000  // 2
DATA winoconst256<>+12(SB)/4, $0x41000000 // 8
GLOBL winoconst256<>(SB), RODATA|NOPTR, $16

// Bᵀ of Y0-Y5 to Y6-Y11; Y14 is 4, Y15 is 5.
#define BT256 \
	VMOVAPS Y4, Y6                      \
	VFMADD231PS Y14, Y0, Y6             \
	VFNMADD231PS Y15, Y2, Y6            \
	VMOVAPS Y4, Y12                     \
	VFNMADD231PS Y14, Y2, Y12           \
	VMOVAPS Y3, Y13                     \
	VFNMADD231PS Y14, Y1, Y13           \
	VADDPS Y13, Y12, Y7                 \
	VSUBPS Y13, Y12, Y8                 \
	VSUBPS Y2, Y4, Y9                   \
	VSUBPS Y1, Y3, Y13                  \
	VMOVAPS Y9, Y10                     \
	VFMADD231PS two<>(SB), Y13, Y9      \
	VFNMADD231PS two<>(SB), Y13, Y10    \
	VMOVAPS Y5, Y11                     \
	VFMADD231PS Y14, Y1, Y11            \
	VFNMADD231PS Y15, Y3, Y11

#define PIXEL256(i, y) \
	MOVQ (i*8)(R8), AX        \
	VMOVUPS (AX)(R14*1), y

#define INCOLUMN256(j) \
	PIXEL256((0+j), Y0)             \
	PIXEL256((6+j), Y1)             \
	PIXEL256((12+j), Y2)             \
	PIXEL256((18+j), Y3)             \
	PIXEL256((24+j), Y4)             \
	PIXEL256((30+j), Y5)             \
	BT256                            \
	VMOVUPS Y6, ((0+j)*32)(R9)       \
	VMOVUPS Y7, ((6+j)*32)(R9)       \
	VMOVUPS Y8, ((12+j)*32)(R9)       \
	VMOVUPS Y9, ((18+j)*32)(R9)       \
	VMOVUPS Y10, ((24+j)*32)(R9)       \
	VMOVUPS Y11, ((30+j)*32)(R9)

#define PUTV256(y) \
	VMOVUPS y, (DI) \
	ADDQ R10, DI

#define INROW256(i) \
	VMOVUPS (i*192+0)(R9), Y0   \
	VMOVUPS (i*192+32)(R9), Y1   \
	VMOVUPS (i*192+64)(R9), Y2   \
	VMOVUPS (i*192+96)(R9), Y3   \
	VMOVUPS (i*192+128)(R9), Y4   \
	VMOVUPS (i*192+160)(R9), Y5   \
	BT256                          \
	PUTV256(Y6)                   \
	PUTV256(Y7)                   \
	PUTV256(Y8)                   \
	PUTV256(Y9)                   \
	PUTV256(Y10)                   \
	PUTV256(Y11)

// func winoIn256(a *winoInArgs)
TEXT ·winoIn256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // V
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	MOVQ WinoInArgs_Tmp(DX), R9  // tmp
	VBROADCASTSS winoconst256<>+0(SB), Y14
	VBROADCASTSS winoconst256<>+4(SB), Y15
	XORQ R14, R14

group:
	INCOLUMN256(0)
	INCOLUMN256(1)
	INCOLUMN256(2)
	INCOLUMN256(3)
	INCOLUMN256(4)
	INCOLUMN256(5)
	LEAQ (R11)(R14*1), DI
	INROW256(0)
	INROW256(1)
	INROW256(2)
	INROW256(3)
	INROW256(4)
	INROW256(5)
	ADDQ $32, R14
	SUBQ $8, CX
	JGT  group
	VZEROUPPER
	RET

// func winoFilter256(a *winoFilterArgs)
TEXT ·winoFilter256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoFilterArgs_Src(DX), SI   // taps
	MOVQ WinoFilterArgs_Tap(DX), BX   // from one tap to the next
	MOVQ WinoFilterArgs_Dst(DX), DI  // U
	MOVQ WinoFilterArgs_Row(DX), AX  // a row of G
	VBROADCASTSS (AX), Y15
	VBROADCASTSS 4(AX), Y14
	VBROADCASTSS 8(AX), Y13
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
	VMOVUPS sixth<>(SB), Y12

vector:
	LEAQ (SI)(R11*1), R8
	LEAQ (R8)(R11*1), R9
	VMULPS (SI), Y15, Y0
	VMULPS (SI)(BX*1), Y15, Y1
	VMULPS (SI)(BX*2), Y15, Y2
	VFMADD231PS (R8), Y14, Y0
	VFMADD231PS (R8)(BX*1), Y14, Y1
	VFMADD231PS (R8)(BX*2), Y14, Y2
	VFMADD231PS (R9), Y13, Y0
	VFMADD231PS (R9)(BX*1), Y13, Y1
	VFMADD231PS (R9)(BX*2), Y13, Y2
	LEAQ (DI)(R12*1), R13
	VMULPS quarter<>(SB), Y0, Y3
	VMOVUPS Y3, (DI)
	VADDPS Y2, Y0, Y4
	VSUBPS Y4, Y1, Y5 // w1 - (w0 + w2)
	VADDPS Y1, Y4, Y4
	VMULPS Y12, Y4, Y4
	VXORPS Y6, Y6, Y6
	VSUBPS Y4, Y6, Y4
	VMULPS Y12, Y5, Y5
	VMOVUPS Y4, (DI)(R10*1)
	VMOVUPS Y5, (DI)(R10*2)
	VMULPS twentyfourth<>(SB), Y0, Y6
	VFMADD231PS Y12, Y2, Y6
	VMULPS twelfth<>(SB), Y1, Y7
	VADDPS Y7, Y6, Y8
	VSUBPS Y7, Y6, Y9
	VMOVUPS Y8, (R13)
	VMOVUPS Y9, (R13)(R10*1)
	VMOVUPS Y2, (R13)(R10*2)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JGT  vector
	VZEROUPPER
	RET

// Aᵀ of Y0-Y5 to Y6-Y9; Y13 is 2, Y14 is 4, Y15 is 8.
#define AT256 \
	VADDPS Y2, Y1, Y10       \
	VSUBPS Y2, Y1, Y7        \
	VADDPS Y4, Y3, Y11       \
	VSUBPS Y4, Y3, Y12       \
	VADDPS Y10, Y0, Y6       \
	VADDPS Y11, Y6, Y6       \
	VADDPS Y5, Y7, Y9        \
	VFMADD231PS Y15, Y12, Y9 \
	VFMADD231PS Y13, Y12, Y7 \
	VMOVAPS Y10, Y8          \
	VFMADD231PS Y14, Y11, Y8

#define OUTCOLUMN256(j) \
	LEAQ (BX)(R11*4), DI        \
	VMOVUPS (BX), Y0            \
	VMOVUPS (BX)(R11*1), Y1     \
	VMOVUPS (BX)(R11*2), Y2     \
	VMOVUPS (BX)(R12*1), Y3     \
	VMOVUPS (DI), Y4            \
	VMOVUPS (DI)(R11*1), Y5     \
	AT256                       \
	VMOVUPS Y6, ((0+j)*32)(R9)  \
	VMOVUPS Y7, ((6+j)*32)(R9)  \
	VMOVUPS Y8, ((12+j)*32)(R9)  \
	VMOVUPS Y9, ((18+j)*32)(R9)  \
	ADDQ R10, BX

#define OUTROW256(i) \
	VMOVUPS (i*192+0)(R9), Y0  \
	VMOVUPS (i*192+32)(R9), Y1  \
	VMOVUPS (i*192+64)(R9), Y2  \
	VMOVUPS (i*192+96)(R9), Y3  \
	VMOVUPS (i*192+128)(R9), Y4  \
	VMOVUPS (i*192+160)(R9), Y5  \
	AT256

// A result with bias, and with what is to be added, if its address is not 0.
#define PUTY256(n, y, plain, skip) \
	MOVQ (n*8)(R8), DI          \
	TESTQ DI, DI                \
	JZ   skip                   \
	ADDQ R14, DI                \
	VADDPS (BP)(R14*1), y, y    \
	TESTQ R15, R15              \
	JZ   plain                  \
	VADDPS (DI)(R13*1), y, y

// func winoOut256(a *winoOutArgs)
TEXT ·winoOut256(SB), NOSPLIT, $8-8
	MOVQ a+0(FP), DX
	MOVQ WinoOutArgs_Src(DX), SI   // M
	MOVQ WinoOutArgs_Stride(DX), R10  // from one ξ to the next
	MOVQ WinoOutArgs_Channels(DX), CX  // channels
	MOVQ WinoOutArgs_Results(DX), R8  // results
	MOVQ WinoOutArgs_Bias(DX), BP  // bias
	MOVQ WinoOutArgs_Add(DX), R15 // whether to add
	MOVQ WinoOutArgs_Delta(DX), R13 // what lies so far away
	MOVQ WinoOutArgs_Tmp(DX), R9  // tmp
	LEAQ (R10)(R10*2), R11
	SHLQ $1, R11     // six ξ
	LEAQ (R11)(R11*2), R12
	VBROADCASTSS winoconst256<>+8(SB), Y13
	VBROADCASTSS winoconst256<>+0(SB), Y14
	VBROADCASTSS winoconst256<>+12(SB), Y15
	XORQ R14, R14

group:
	LEAQ (SI)(R14*1), BX
	OUTCOLUMN256(0)
	OUTCOLUMN256(1)
	OUTCOLUMN256(2)
	OUTCOLUMN256(3)
	OUTCOLUMN256(4)
	OUTCOLUMN256(5)
	OUTROW256(0)
	PUTY256(0, Y6, plain0, skip0)

plain0:
	VMOVUPS Y6, (DI)

skip0:
	PUTY256(1, Y7, plain1, skip1)

plain1:
	VMOVUPS Y7, (DI)

skip1:
	PUTY256(2, Y8, plain2, skip2)

plain2:
	VMOVUPS Y8, (DI)

skip2:
	PUTY256(3, Y9, plain3, skip3)

plain3:
	VMOVUPS Y9, (DI)

skip3:
	OUTROW256(1)
	PUTY256(4, Y6, plain4, skip4)

plain4:
	VMOVUPS Y6, (DI)

skip4:
	PUTY256(5, Y7, plain5, skip5)

plain5:
	VMOVUPS Y7, (DI)

skip5:
	PUTY256(6, Y8, plain6, skip6)

plain6:
	VMOVUPS Y8, (DI)

skip6:
	PUTY256(7, Y9, plain7, skip7)

plain7:
	VMOVUPS Y9, (DI)

skip7:
	OUTROW256(2)
	PUTY256(8, Y6, plain8, skip8)

plain8:
	VMOVUPS Y6, (DI)

skip8:
	PUTY256(9, Y7, plain9, skip9)

plain9:
	VMOVUPS Y7, (DI)

skip9:
	PUTY256(10, Y8, plain10, skip10)

plain10:
	VMOVUPS Y8, (DI)

skip10:
	PUTY256(11, Y9, plain11, skip11)

plain11:
	VMOVUPS Y9, (DI)

skip11:
	OUTROW256(3)
	PUTY256(12, Y6, plain12, skip12)

plain12:
	VMOVUPS Y6, (DI)

skip12:
	PUTY256(13, Y7, plain13, skip13)

plain13:
	VMOVUPS Y7, (DI)

skip13:
	PUTY256(14, Y8, plain14, skip14)

plain14:
	VMOVUPS Y8, (DI)

skip14:
	PUTY256(15, Y9, plain15, skip15)

plain15:
	VMOVUPS Y9, (DI)

skip15:
	ADDQ $32, R14
	SUBQ $8, CX
	JGT  group
	VZEROUPPER
	RET

// A of Y0-Y3 to Y6-Y11; Y5 is 8, Y14 is 4.
#define AMAP256 \
	VADDPS Y2, Y0, Y12               \
	VADDPS Y3, Y1, Y13               \
	VADDPS Y13, Y12, Y7              \
	VSUBPS Y13, Y12, Y8              \
	VMOVAPS Y0, Y12                  \
	VFMADD231PS Y14, Y2, Y12         \
	VMULPS two<>(SB), Y1, Y13        \
	VFMADD231PS Y5, Y3, Y13          \
	VADDPS Y13, Y12, Y9              \
	VSUBPS Y13, Y12, Y10             \
	VMOVAPS Y0, Y6                   \
	VMOVAPS Y3, Y11

#define GRADCOLUMN256(j) \
	PIXEL256((j), Y0)               \
	PIXEL256((4+j), Y1)             \
	PIXEL256((8+j), Y2)             \
	PIXEL256((12+j), Y3)            \
	AMAP256                         \
	VMOVUPS Y6, ((0+j)*32)(R9)   \
	VMOVUPS Y7, ((4+j)*32)(R9)   \
	VMOVUPS Y8, ((8+j)*32)(R9)   \
	VMOVUPS Y9, ((12+j)*32)(R9)   \
	VMOVUPS Y10, ((16+j)*32)(R9)   \
	VMOVUPS Y11, ((20+j)*32)(R9)

#define GRADROW256(i) \
	VMOVUPS (i*128+0)(R9), Y0  \
	VMOVUPS (i*128+32)(R9), Y1  \
	VMOVUPS (i*128+64)(R9), Y2  \
	VMOVUPS (i*128+96)(R9), Y3  \
	AMAP256                       \
	PUTV256(Y6)                  \
	PUTV256(Y7)                  \
	PUTV256(Y8)                  \
	PUTV256(Y9)                  \
	PUTV256(Y10)                  \
	PUTV256(Y11)

// func winoGrad256(a *winoInArgs)
TEXT ·winoGrad256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ WinoInArgs_Pixels(DX), R8   // pixels
	MOVQ WinoInArgs_Channels(DX), CX   // channels
	MOVQ WinoInArgs_Dst(DX), R11 // the result
	MOVQ WinoInArgs_Stride(DX), R10 // from one ξ to the next
	MOVQ WinoInArgs_Tmp(DX), R9  // tmp
	VBROADCASTSS winoconst256<>+0(SB), Y14
	VBROADCASTSS winoconst256<>+12(SB), Y5
	XORQ R14, R14

group:
	GRADCOLUMN256(0)
	GRADCOLUMN256(1)
	GRADCOLUMN256(2)
	GRADCOLUMN256(3)
	LEAQ (R11)(R14*1), DI
	GRADROW256(0)
	GRADROW256(1)
	GRADROW256(2)
	GRADROW256(3)
	GRADROW256(4)
	GRADROW256(5)
	ADDQ $32, R14
	SUBQ $8, CX
	JGT  group
	VZEROUPPER
	RET

// Gᵀ of Y0-Y5 to Y10, Y11 and Y5; Y12 is 1/6.
#define GT256 \
	VADDPS Y2, Y1, Y6                     \
	VSUBPS Y1, Y2, Y7                     \
	VADDPS Y4, Y3, Y8                     \
	VSUBPS Y4, Y3, Y9                     \
	VMULPS quarter<>(SB), Y0, Y10         \
	VFNMADD231PS Y12, Y6, Y10             \
	VFMADD231PS twentyfourth<>(SB), Y8, Y10 \
	VMULPS Y12, Y7, Y11                   \
	VFMADD231PS twelfth<>(SB), Y9, Y11    \
	VFNMADD231PS Y12, Y6, Y5              \
	VFMADD231PS Y12, Y8, Y5

// Column j: ξ = j, 6+j, …, 30+j.
#define FILTERCOLUMN256(j) \
	LEAQ (AX)(R11*4), R13         \
	VMOVUPS (AX), Y0              \
	VMOVUPS (AX)(R11*1), Y1       \
	VMOVUPS (AX)(R11*2), Y2       \
	VMOVUPS (AX)(R12*1), Y3       \
	VMOVUPS (R13), Y4             \
	VMOVUPS (R13)(R11*1), Y5      \
	GT256                         \
	VMOVUPS Y10, (j*32)(SP)       \
	VMOVUPS Y11, (192+j*32)(SP)   \
	VMOVUPS Y5, (384+j*32)(SP)    \
	ADDQ BX, AX

#define FILTERROW256(i) \
	VMOVUPS (i*192+0)(SP), Y0  \
	VMOVUPS (i*192+32)(SP), Y1  \
	VMOVUPS (i*192+64)(SP), Y2  \
	VMOVUPS (i*192+96)(SP), Y3  \
	VMOVUPS (i*192+128)(SP), Y4  \
	VMOVUPS (i*192+160)(SP), Y5  \
	GT256                         \
	VMOVUPS Y10, (R8)             \
	VMOVUPS Y11, (R8)(R10*1)      \
	VMOVUPS Y5, (R8)(R10*2)       \
	ADDQ R9, R8

// func winoFilterGrad256(a *winoFilterArgs)
TEXT ·winoFilterGrad256(SB), NOSPLIT, $576-8
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
	VMOVUPS sixth<>(SB), Y12

vector:
	MOVQ SI, AX
	FILTERCOLUMN256(0)
	FILTERCOLUMN256(1)
	FILTERCOLUMN256(2)
	FILTERCOLUMN256(3)
	FILTERCOLUMN256(4)
	FILTERCOLUMN256(5)
	MOVQ DI, R8
	FILTERROW256(0)
	FILTERROW256(1)
	FILTERROW256(2)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JGT  vector
	VZEROUPPER
	RET
