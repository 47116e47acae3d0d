#include "textflag.h"
#include "transpose_amd64.h"

#define CLEAR(z) VPXORD z, z, z

// The next tap's 16 columns, if there is one.
#define TAP(z, r) \
	CMPQ    R13, $r      \
	JLE     turn         \
	VMOVUPS (R9), z      \
	ADDQ    R12, R9

#define COLUMN(z) \
	VMOVUPS z, K1, (R9)  \
	ADDQ    R10, R9

// func turnTaps(a *turnArgs)
TEXT ·turnTaps(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ 0(R8), DI
	MOVQ 8(R8), R10  // from column to column of dst
	MOVQ 16(R8), R11 // from row to row
	MOVQ 24(R8), SI
	MOVQ 32(R8), R12 // from tap to tap of src
	MOVQ 40(R8), R13
	MOVQ 56(R8), DX  // rows
	MOVL $1, AX
	MOVQ R13, CX
	SHLL CX, AX
	DECL AX
	KMOVW AX, K1

row:
	MOVQ SI, R9
	CLEAR(Z0)
	CLEAR(Z1)
	CLEAR(Z2)
	CLEAR(Z3)
	CLEAR(Z4)
	CLEAR(Z5)
	CLEAR(Z6)
	CLEAR(Z7)
	CLEAR(Z8)
	CLEAR(Z9)
	CLEAR(Z10)
	CLEAR(Z11)
	CLEAR(Z12)
	CLEAR(Z13)
	CLEAR(Z14)
	CLEAR(Z15)
	TAP(Z0, 0)
	TAP(Z1, 1)
	TAP(Z2, 2)
	TAP(Z3, 3)
	TAP(Z4, 4)
	TAP(Z5, 5)
	TAP(Z6, 6)
	TAP(Z7, 7)
	TAP(Z8, 8)
	TAP(Z9, 9)
	TAP(Z10, 10)
	TAP(Z11, 11)
	TAP(Z12, 12)
	TAP(Z13, 13)
	TAP(Z14, 14)
	TAP(Z15, 15)

turn:
	TRANSPOSE16
	MOVQ DI, R9
	COLUMN(Z20)
	COLUMN(Z24)
	COLUMN(Z28)
	COLUMN(Z0)
	COLUMN(Z21)
	COLUMN(Z25)
	COLUMN(Z29)
	COLUMN(Z4)
	COLUMN(Z22)
	COLUMN(Z26)
	COLUMN(Z30)
	COLUMN(Z8)
	COLUMN(Z23)
	COLUMN(Z27)
	COLUMN(Z31)
	COLUMN(Z12)
	ADDQ $128, SI
	ADDQ R11, DI
	DECQ DX
	JNZ  row
	VZEROUPPER
	RET

// func prefetchRows(src *float32, lds, lines, count int)
// brings the lines of rows into the second-level cache; lds is in bytes.
TEXT ·prefetchRows(SB), NOSPLIT, $0-32
	MOVQ src+0(FP), SI
	MOVQ lds+8(FP), DX
	MOVQ lines+16(FP), BX
	MOVQ count+24(FP), CX

row:
	MOVQ SI, DI
	MOVQ BX, AX

line:
	PREFETCHT1 (DI)
	ADDQ $64, DI
	DECQ AX
	JNZ  line
	ADDQ DX, SI
	DECQ CX
	JNZ  row
	RET
