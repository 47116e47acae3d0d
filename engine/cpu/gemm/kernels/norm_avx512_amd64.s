#include "go_asm.h"
#include "textflag.h"
#include "tiles_amd64.h"

// SiLU with the constants and the operations of vec, so that the bits are the same.
DATA silu<>+0(SB)/4, $0x3fb8aa3b  // log2(e)
DATA silu<>+4(SB)/4, $0x3f317200  // ln 2, high part
DATA silu<>+8(SB)/4, $0x35bfbe8e  // ln 2, low part
DATA silu<>+12(SB)/4, $0x3ab743ce // coefficients of exp on ±ln(2)/2, highest power first
DATA silu<>+16(SB)/4, $0x3c0930a8
DATA silu<>+20(SB)/4, $0x3d2aaa6b
DATA silu<>+24(SB)/4, $0x3e2aaaaa
DATA silu<>+28(SB)/4, $0x3f000000 // 1/2
DATA silu<>+32(SB)/4, $0x3f800000 // 1
DATA silu<>+36(SB)/4, $0xc2ae0000 // -87
DATA silu<>+40(SB)/4, $0x42b00000 // 88
DATA silu<>+44(SB)/4, $0x80000000 // the sign
GLOBL silu<>(SB), RODATA|NOPTR, $48

#define LOG2E Z31
#define LN2HI Z30
#define LN2LO Z29
#define E7 Z28
#define E6 Z27
#define E5 Z26
#define E4 Z25
#define HALF Z24
#define ONE Z23
#define FLOOR Z22
#define CAP Z21
#define SIGN Z20

#define SILUCONST \
	VBROADCASTSS silu<>+0(SB), LOG2E \
	VBROADCASTSS silu<>+4(SB), LN2HI \
	VBROADCASTSS silu<>+8(SB), LN2LO \
	VBROADCASTSS silu<>+12(SB), E7 \
	VBROADCASTSS silu<>+16(SB), E6 \
	VBROADCASTSS silu<>+20(SB), E5 \
	VBROADCASTSS silu<>+24(SB), E4 \
	VBROADCASTSS silu<>+28(SB), HALF \
	VBROADCASTSS silu<>+32(SB), ONE \
	VBROADCASTSS silu<>+36(SB), FLOOR \
	VBROADCASTSS silu<>+40(SB), CAP \
	VBROADCASTSS silu<>+44(SB), SIGN

// x = SiLU(x); t, n and y are lost.
#define SILU(x, t, n, y) \
	VXORPS SIGN, x, t        \
	VMAXPS t, FLOOR, t       \
	VMINPS t, CAP, t         \
	VMULPS LOG2E, t, n       \
	VRNDSCALEPS $0, n, n     \
	VFNMADD231PS LN2HI, n, t \
	VFNMADD231PS LN2LO, n, t \
	VMOVAPS E7, y            \
	VFMADD213PS E6, t, y     \
	VFMADD213PS E5, t, y     \
	VFMADD213PS E4, t, y     \
	VFMADD213PS HALF, t, y   \
	VFMADD213PS ONE, t, y    \
	VFMADD213PS ONE, t, y    \
	VSCALEFPS n, y, y        \
	VADDPS ONE, y, y         \
	VDIVPS y, x, x

#define SILU32 \
	SILU(Z1, Z8, Z9, Z10)   \
	SILU(Z2, Z11, Z12, Z13)

// func bf16NormRows(a *rowsArgs)
TEXT ·bf16NormRows(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ RowsArgs_Dst(R8), R9   // dst
	MOVQ RowsArgs_Src(R8), R11 // src
	MOVQ RowsArgs_Lds(R8), R12 // its stride
	MOVQ RowsArgs_N(R8), CX
	ANDQ $31, CX
	TAIL
	MOVQ RowsArgs_Count(R8), R13 // rows
	MOVQ RowsArgs_Low(R8), BX  // to the low parts
	MOVQ RowsArgs_A(R8), R14 // a
	MOVQ RowsArgs_Beta(R8), R15 // beta
	MOVQ RowsArgs_Mean(R8), DX  // mean
	MOVQ RowsArgs_Silu(R8), R10 // whether SiLU
	SILUCONST

row:
	MOVQ R9, DI
	XORQ AX, AX // bytes of the row done
	MOVQ RowsArgs_N(R8), CX

loop:
	SUBQ $32, CX
	JLT  tail
	VMOVUPS (R11)(AX*1), Z1
	VMOVUPS 64(R11)(AX*1), Z2
	VSUBPS (DX)(AX*1), Z1, Z1
	VSUBPS 64(DX)(AX*1), Z2, Z2
	VMOVUPS (R14)(AX*1), Z3
	VMOVUPS 64(R14)(AX*1), Z4
	VFMADD213PS (R15)(AX*1), Z3, Z1
	VFMADD213PS 64(R15)(AX*1), Z4, Z2
	TESTQ R10, R10
	JZ    round
	SILU32

round:
	ROUND32
	VMOVDQU64 Z0, (DI)
	TESTQ BX, BX
	JZ    next
	LOW32
	VMOVDQU64 Z0, (DI)(BX*1)

next:
	ADDQ $128, AX
	ADDQ $64, DI
	JMP  loop

tail:
	ADDQ $32, CX
	JZ   end
	VMOVUPS.Z (R11)(AX*1), K1, Z1
	VMOVUPS.Z 64(R11)(AX*1), K2, Z2
	VSUBPS.Z (DX)(AX*1), Z1, K1, Z1
	VSUBPS.Z 64(DX)(AX*1), Z2, K2, Z2
	VMOVUPS.Z (R14)(AX*1), K1, Z3
	VMOVUPS.Z 64(R14)(AX*1), K2, Z4
	VFMADD213PS.Z (R15)(AX*1), Z3, K1, Z1
	VFMADD213PS.Z 64(R15)(AX*1), Z4, K2, Z2
	TESTQ R10, R10
	JZ    last
	SILU32

last:
	ROUND32
	VMOVDQU16 Z0, K3, (DI)
	TESTQ BX, BX
	JZ    end
	LOW32
	VMOVDQU16 Z0, K3, (DI)(BX*1)

end:
	ADDQ RowsArgs_Ldd(R8), R9
	ADDQ R12, R11
	DECQ R13
	JNZ  row
	VZEROUPPER
	RET

// func wideRows(a *rowsArgs)
//
// The same without rounding; without a normalisation, a copy. Rows have a multiple of
// 16 numbers.
TEXT ·wideRows(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ RowsArgs_Dst(R8), R9   // dst
	MOVQ RowsArgs_Src(R8), R11 // src
	MOVQ RowsArgs_Count(R8), R13 // rows
	MOVQ RowsArgs_A(R8), R14 // a
	MOVQ RowsArgs_Beta(R8), R15 // beta
	MOVQ RowsArgs_Mean(R8), DX  // mean
	MOVQ RowsArgs_Silu(R8), R10 // whether SiLU
	SILUCONST

row:
	XORQ AX, AX // bytes of the row done
	MOVQ RowsArgs_N(R8), CX

loop:
	VMOVUPS (R11)(AX*1), Z1
	TESTQ R14, R14
	JZ    store
	VSUBPS (DX)(AX*1), Z1, Z1
	VMOVUPS (R14)(AX*1), Z3
	VFMADD213PS (R15)(AX*1), Z3, Z1
	TESTQ R10, R10
	JZ    store
	SILU(Z1, Z8, Z9, Z10)

store:
	VMOVUPS Z1, (R9)(AX*1)
	ADDQ $64, AX
	SUBQ $16, CX
	JGT  loop
	ADDQ RowsArgs_Ldd(R8), R9
	ADDQ RowsArgs_Lds(R8), R11
	DECQ R13
	JNZ  row
	VZEROUPPER
	RET
