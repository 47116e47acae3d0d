#include "go_asm.h"
#include "textflag.h"

// Row i of the tile: broadcast x[i][k], multiply by 32 columns of b.
#define ROW512(p, off, bc, lo, hi) \
	VBROADCASTSS off(p)(R14*4), bc \
	VFMADD231PS Z30, bc, lo        \
	VFMADD231PS Z31, bc, hi

#define STEP512(n) \
	VMOVUPS (n*128)(R15), Z30       \
	VMOVUPS (n*128+64)(R15), Z31    \
	ROW512(AX, n*4, Z24, Z0, Z1)    \
	ROW512(BX, n*4, Z25, Z2, Z3)    \
	ROW512(CX, n*4, Z26, Z4, Z5)    \
	ROW512(DX, n*4, Z27, Z6, Z7)    \
	ROW512(SI, n*4, Z28, Z8, Z9)    \
	ROW512(DI, n*4, Z29, Z10, Z11)  \
	ROW512(R8, n*4, Z24, Z12, Z13)  \
	ROW512(R9, n*4, Z25, Z14, Z15)  \
	ROW512(R10, n*4, Z26, Z16, Z17) \
	ROW512(R11, n*4, Z27, Z18, Z19) \
	ROW512(R12, n*4, Z28, Z20, Z21) \
	ROW512(R13, n*4, Z29, Z22, Z23)

#define PUT512(lo, hi) \
	VMOVUPS lo, K1, (DI)   \
	VMOVUPS hi, K2, 64(DI) \
	ADDQ SI, DI            \
	DECQ CX                \
	JZ   done

#define PUTADD512(lo, hi) \
	VADDPS.Z (BX), lo, K1, lo   \
	VADDPS.Z 64(BX), hi, K2, hi \
	VMOVUPS  lo, K1, (DI)       \
	VMOVUPS  hi, K2, 64(DI)     \
	ADDQ     SI, BX             \
	ADDQ     SI, DI             \
	DECQ     CX                 \
	JZ       done

// The assembler has no name for PREFETCHW; these are its bytes, for the line at DI
// and the next. The lines of the result come to the cache while the sums are
// made: else every store of a tile waits for memory.
#define PREFETCHW_DI BYTE $0x0F; BYTE $0x0D; BYTE $0x0F
#define PREFETCHW_DI64 BYTE $0x0F; BYTE $0x0D; BYTE $0x4F; BYTE $0x40

#define EXPECT512 \
	PREFETCHW_DI   \
	PREFETCHW_DI64 \
	ADDQ SI, DI

// func dot512(a *DotArgs)
TEXT ·dot512(SB), NOSPLIT, $32-8
	MOVQ a+0(FP), BP
	MOVQ DotArgs_Table(BP), AX
	MOVQ AX, table-8(SP)
	MOVQ DotArgs_Taps(BP), AX
	MOVQ AX, taps-16(SP)
	MOVQ DotArgs_Depth(BP), AX
	MOVQ AX, depth-24(SP)
	ANDQ $~3, AX
	MOVQ AX, depth4-32(SP)
	MOVQ DotArgs_Y(BP), DI
	MOVQ DotArgs_Stride(BP), SI
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	EXPECT512
	MOVQ DotArgs_B(BP), R15
	MOVQ DotArgs_Bias(BP), AX
	VMOVUPS (AX), Z0
	VMOVUPS 64(AX), Z1
	VMOVAPS Z0, Z2
	VMOVAPS Z1, Z3
	VMOVAPS Z0, Z4
	VMOVAPS Z1, Z5
	VMOVAPS Z0, Z6
	VMOVAPS Z1, Z7
	VMOVAPS Z0, Z8
	VMOVAPS Z1, Z9
	VMOVAPS Z0, Z10
	VMOVAPS Z1, Z11
	VMOVAPS Z0, Z12
	VMOVAPS Z1, Z13
	VMOVAPS Z0, Z14
	VMOVAPS Z1, Z15
	VMOVAPS Z0, Z16
	VMOVAPS Z1, Z17
	VMOVAPS Z0, Z18
	VMOVAPS Z1, Z19
	VMOVAPS Z0, Z20
	VMOVAPS Z1, Z21
	VMOVAPS Z0, Z22
	VMOVAPS Z1, Z23

tap:
	MOVQ table-8(SP), R13
	MOVQ 0(R13), AX
	MOVQ 8(R13), BX
	MOVQ 16(R13), CX
	MOVQ 24(R13), DX
	MOVQ 32(R13), SI
	MOVQ 40(R13), DI
	MOVQ 48(R13), R8
	MOVQ 56(R13), R9
	MOVQ 64(R13), R10
	MOVQ 72(R13), R11
	MOVQ 80(R13), R12
	MOVQ 88(R13), R13
	ADDQ $96, table-8(SP)
	XORQ R14, R14
	CMPQ R14, depth4-32(SP)
	JGE  rest

four:
	STEP512(0)
	STEP512(1)
	STEP512(2)
	STEP512(3)
	ADDQ $512, R15
	ADDQ $4, R14
	CMPQ R14, depth4-32(SP)
	JLT  four

rest:
	CMPQ R14, depth-24(SP)
	JGE  next
	STEP512(0)
	ADDQ $128, R15
	INCQ R14
	JMP  rest

next:
	DECQ taps-16(SP)
	JNZ  tap

	MOVQ DotArgs_Y(BP), DI // y
	MOVQ DotArgs_Stride(BP), SI // stride of y and add in bytes
	MOVQ DotArgs_Add(BP), BX // add
	MOVQ DotArgs_Valid(BP), CX // rows
	MOVL DotArgs_Mask(BP), AX // columns, one bit each
	KMOVW AX, K1
	SHRL $16, AX
	KMOVW AX, K2
	TESTQ BX, BX
	JNZ  add
	PUT512(Z0, Z1)
	PUT512(Z2, Z3)
	PUT512(Z4, Z5)
	PUT512(Z6, Z7)
	PUT512(Z8, Z9)
	PUT512(Z10, Z11)
	PUT512(Z12, Z13)
	PUT512(Z14, Z15)
	PUT512(Z16, Z17)
	PUT512(Z18, Z19)
	PUT512(Z20, Z21)
	PUT512(Z22, Z23)
	JMP  done

add:
	PUTADD512(Z0, Z1)
	PUTADD512(Z2, Z3)
	PUTADD512(Z4, Z5)
	PUTADD512(Z6, Z7)
	PUTADD512(Z8, Z9)
	PUTADD512(Z10, Z11)
	PUTADD512(Z12, Z13)
	PUTADD512(Z14, Z15)
	PUTADD512(Z16, Z17)
	PUTADD512(Z18, Z19)
	PUTADD512(Z20, Z21)
	PUTADD512(Z22, Z23)

done:
	VZEROUPPER
	RET

// The same with the 16 columns of the lower half alone, for the last panel.
#define ROWHALF(p, off, bc, lo) \
	VBROADCASTSS off(p)(R14*4), bc \
	VFMADD231PS Z30, bc, lo

#define STEPHALF(n) \
	VMOVUPS (n*128)(R15), Z30     \
	ROWHALF(AX, n*4, Z24, Z0)     \
	ROWHALF(BX, n*4, Z25, Z2)     \
	ROWHALF(CX, n*4, Z26, Z4)     \
	ROWHALF(DX, n*4, Z27, Z6)     \
	ROWHALF(SI, n*4, Z28, Z8)     \
	ROWHALF(DI, n*4, Z29, Z10)    \
	ROWHALF(R8, n*4, Z24, Z12)    \
	ROWHALF(R9, n*4, Z25, Z14)    \
	ROWHALF(R10, n*4, Z26, Z16)   \
	ROWHALF(R11, n*4, Z27, Z18)   \
	ROWHALF(R12, n*4, Z28, Z20)   \
	ROWHALF(R13, n*4, Z29, Z22)

#define PUTHALF(lo) \
	VMOVUPS lo, K1, (DI) \
	ADDQ SI, DI          \
	DECQ CX              \
	JZ   done

#define PUTADDHALF(lo) \
	VADDPS.Z (BX), lo, K1, lo \
	VMOVUPS  lo, K1, (DI)     \
	ADDQ     SI, BX           \
	ADDQ     SI, DI           \
	DECQ     CX               \
	JZ       done

// func dotHalf512(a *DotArgs)
TEXT ·dotHalf512(SB), NOSPLIT, $32-8
	MOVQ a+0(FP), BP
	MOVQ DotArgs_Table(BP), AX
	MOVQ AX, table-8(SP)
	MOVQ DotArgs_Taps(BP), AX
	MOVQ AX, taps-16(SP)
	MOVQ DotArgs_Depth(BP), AX
	MOVQ AX, depth-24(SP)
	ANDQ $~3, AX
	MOVQ AX, depth4-32(SP)
	MOVQ DotArgs_B(BP), R15
	MOVQ DotArgs_Bias(BP), AX
	VMOVUPS (AX), Z0
	VMOVAPS Z0, Z2
	VMOVAPS Z0, Z4
	VMOVAPS Z0, Z6
	VMOVAPS Z0, Z8
	VMOVAPS Z0, Z10
	VMOVAPS Z0, Z12
	VMOVAPS Z0, Z14
	VMOVAPS Z0, Z16
	VMOVAPS Z0, Z18
	VMOVAPS Z0, Z20
	VMOVAPS Z0, Z22

tap:
	MOVQ table-8(SP), R13
	MOVQ 0(R13), AX
	MOVQ 8(R13), BX
	MOVQ 16(R13), CX
	MOVQ 24(R13), DX
	MOVQ 32(R13), SI
	MOVQ 40(R13), DI
	MOVQ 48(R13), R8
	MOVQ 56(R13), R9
	MOVQ 64(R13), R10
	MOVQ 72(R13), R11
	MOVQ 80(R13), R12
	MOVQ 88(R13), R13
	ADDQ $96, table-8(SP)
	XORQ R14, R14
	CMPQ R14, depth4-32(SP)
	JGE  rest

four:
	STEPHALF(0)
	STEPHALF(1)
	STEPHALF(2)
	STEPHALF(3)
	ADDQ $512, R15
	ADDQ $4, R14
	CMPQ R14, depth4-32(SP)
	JLT  four

rest:
	CMPQ R14, depth-24(SP)
	JGE  next
	STEPHALF(0)
	ADDQ $128, R15
	INCQ R14
	JMP  rest

next:
	DECQ taps-16(SP)
	JNZ  tap

	MOVQ DotArgs_Y(BP), DI // y
	MOVQ DotArgs_Stride(BP), SI // stride of y and add in bytes
	MOVQ DotArgs_Add(BP), BX // add
	MOVQ DotArgs_Valid(BP), CX // rows
	MOVL DotArgs_Mask(BP), AX // columns, one bit each
	KMOVW AX, K1
	TESTQ BX, BX
	JNZ  add
	PUTHALF(Z0)
	PUTHALF(Z2)
	PUTHALF(Z4)
	PUTHALF(Z6)
	PUTHALF(Z8)
	PUTHALF(Z10)
	PUTHALF(Z12)
	PUTHALF(Z14)
	PUTHALF(Z16)
	PUTHALF(Z18)
	PUTHALF(Z20)
	PUTHALF(Z22)
	JMP  done

add:
	PUTADDHALF(Z0)
	PUTADDHALF(Z2)
	PUTADDHALF(Z4)
	PUTADDHALF(Z6)
	PUTADDHALF(Z8)
	PUTADDHALF(Z10)
	PUTADDHALF(Z12)
	PUTADDHALF(Z14)
	PUTADDHALF(Z16)
	PUTADDHALF(Z18)
	PUTADDHALF(Z20)
	PUTADDHALF(Z22)

done:
	VZEROUPPER
	RET

#define OUTER512(i, bc, lo, hi) \
	VBROADCASTSS (i*4)(AX), bc \
	VFMADD231PS Z30, bc, lo    \
	VFMADD231PS Z31, bc, hi

#define ACC512(i, lo, hi) \
	VADDPS  (i*128)(DI), lo, lo    \
	VADDPS  (i*128+64)(DI), hi, hi \
	VMOVUPS lo, (i*128)(DI)        \
	VMOVUPS hi, (i*128+64)(DI)

#define ZERO512(lo, hi) \
	VPXORQ lo, lo, lo \
	VPXORQ hi, hi, hi

// func outer512(a *outerArgs)
TEXT ·outer512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ OuterArgs_Segments(R8), R9   // segments
	MOVQ OuterArgs_Count(R8), R10  // their number
	MOVQ OuterArgs_StrideX(R8), R11 // stride of x in bytes
	MOVQ OuterArgs_StrideD(R8), R12 // stride of d in bytes
	MOVQ R11, R13
	SHLQ $6, R13     // 64 points on, the next block's: pointsPerBlock
	MOVQ R12, R14
	SHLQ $6, R14
	MOVQ OuterArgs_Y(R8), DI  // y, a tile
	MOVL OuterArgs_Mask(R8), AX
	KMOVW AX, K1
	SHRL $16, AX
	KMOVW AX, K2
	ZERO512(Z0, Z1)
	ZERO512(Z2, Z3)
	ZERO512(Z4, Z5)
	ZERO512(Z6, Z7)
	ZERO512(Z8, Z9)
	ZERO512(Z10, Z11)
	ZERO512(Z12, Z13)
	ZERO512(Z14, Z15)
	ZERO512(Z16, Z17)
	ZERO512(Z18, Z19)
	ZERO512(Z20, Z21)
	ZERO512(Z22, Z23)

segment:
	MOVQ 0(R9), AX
	MOVQ 8(R9), BX
	MOVQ 16(R9), CX
	ADDQ $24, R9

point:
	PREFETCHT1 (AX)(R13*1)
	PREFETCHT1 (BX)(R14*1)
	PREFETCHT1 64(BX)(R14*1)
	VMOVUPS.Z (BX), K1, Z30
	VMOVUPS.Z 64(BX), K2, Z31
	OUTER512(0, Z24, Z0, Z1)
	OUTER512(1, Z25, Z2, Z3)
	OUTER512(2, Z26, Z4, Z5)
	OUTER512(3, Z27, Z6, Z7)
	OUTER512(4, Z28, Z8, Z9)
	OUTER512(5, Z29, Z10, Z11)
	OUTER512(6, Z24, Z12, Z13)
	OUTER512(7, Z25, Z14, Z15)
	OUTER512(8, Z26, Z16, Z17)
	OUTER512(9, Z27, Z18, Z19)
	OUTER512(10, Z28, Z20, Z21)
	OUTER512(11, Z29, Z22, Z23)
	ADDQ R11, AX
	ADDQ R12, BX
	DECQ CX
	JNZ  point
	DECQ R10
	JNZ  segment

	ACC512(0, Z0, Z1)
	ACC512(1, Z2, Z3)
	ACC512(2, Z4, Z5)
	ACC512(3, Z6, Z7)
	ACC512(4, Z8, Z9)
	ACC512(5, Z10, Z11)
	ACC512(6, Z12, Z13)
	ACC512(7, Z14, Z15)
	ACC512(8, Z16, Z17)
	ACC512(9, Z18, Z19)
	ACC512(10, Z20, Z21)
	ACC512(11, Z22, Z23)
	VZEROUPPER
	RET

// func fma512(n int) runs n·24 independent fused multiply-adds on 16 lanes.
TEXT ·fma512(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), CX
	VPXORQ Z24, Z24, Z24

roof:
	VFMADD231PS Z24, Z24, Z0
	VFMADD231PS Z24, Z24, Z1
	VFMADD231PS Z24, Z24, Z2
	VFMADD231PS Z24, Z24, Z3
	VFMADD231PS Z24, Z24, Z4
	VFMADD231PS Z24, Z24, Z5
	VFMADD231PS Z24, Z24, Z6
	VFMADD231PS Z24, Z24, Z7
	VFMADD231PS Z24, Z24, Z8
	VFMADD231PS Z24, Z24, Z9
	VFMADD231PS Z24, Z24, Z10
	VFMADD231PS Z24, Z24, Z11
	VFMADD231PS Z24, Z24, Z12
	VFMADD231PS Z24, Z24, Z13
	VFMADD231PS Z24, Z24, Z14
	VFMADD231PS Z24, Z24, Z15
	VFMADD231PS Z24, Z24, Z16
	VFMADD231PS Z24, Z24, Z17
	VFMADD231PS Z24, Z24, Z18
	VFMADD231PS Z24, Z24, Z19
	VFMADD231PS Z24, Z24, Z20
	VFMADD231PS Z24, Z24, Z21
	VFMADD231PS Z24, Z24, Z22
	VFMADD231PS Z24, Z24, Z23
	DECQ CX
	JNZ  roof
	VZEROUPPER
	RET
