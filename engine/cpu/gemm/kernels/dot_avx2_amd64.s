#include "go_asm.h"
#include "textflag.h"

#define ROW256(p, off, bc, lo, hi) \
	VBROADCASTSS off(p)(R14*4), bc \
	VFMADD231PS Y14, bc, lo        \
	VFMADD231PS Y15, bc, hi

#define STEP256(n) \
	VMOVUPS (n*64)(R15), Y14     \
	VMOVUPS (n*64+32)(R15), Y15  \
	ROW256(AX, n*4, Y12, Y0, Y1) \
	ROW256(BX, n*4, Y13, Y2, Y3) \
	ROW256(CX, n*4, Y12, Y4, Y5) \
	ROW256(DX, n*4, Y13, Y6, Y7) \
	ROW256(SI, n*4, Y12, Y8, Y9) \
	ROW256(DI, n*4, Y13, Y10, Y11)

// The result goes to a buffer of 6 rows of 16 columns: portable code adds and
// stores it where rows or columns are missing.
#define PUT256(i, lo, hi) \
	VMOVUPS lo, (i*64)(R8) \
	VMOVUPS hi, (i*64+32)(R8)

#define ROWOUT256(lo, hi) \
	VMOVUPS lo, (DI)   \
	VMOVUPS hi, 32(DI) \
	ADDQ SI, DI        \
	DECQ CX            \
	JZ   done

#define ROWADD256(lo, hi) \
	VADDPS (BX), lo, lo   \
	VADDPS 32(BX), hi, hi \
	VMOVUPS lo, (DI)      \
	VMOVUPS hi, 32(DI)    \
	ADDQ SI, BX           \
	ADDQ SI, DI           \
	DECQ CX               \
	JZ   done

// PREFETCHW of the line at DI, as in dot512.
#define EXPECT256 \
	BYTE $0x0F; BYTE $0x0D; BYTE $0x0F \
	ADDQ SI, DI

// func dot256(a *DotArgs)
TEXT ·dot256(SB), NOSPLIT, $32-8
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
	EXPECT256
	EXPECT256
	EXPECT256
	EXPECT256
	EXPECT256
	EXPECT256
	MOVQ DotArgs_B(BP), R15
	MOVQ DotArgs_Bias(BP), AX
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y1, Y3
	VMOVAPS Y0, Y4
	VMOVAPS Y1, Y5
	VMOVAPS Y0, Y6
	VMOVAPS Y1, Y7
	VMOVAPS Y0, Y8
	VMOVAPS Y1, Y9
	VMOVAPS Y0, Y10
	VMOVAPS Y1, Y11

tap:
	MOVQ table-8(SP), R8
	MOVQ 0(R8), AX
	MOVQ 8(R8), BX
	MOVQ 16(R8), CX
	MOVQ 24(R8), DX
	MOVQ 32(R8), SI
	MOVQ 40(R8), DI
	ADDQ $48, table-8(SP)
	XORQ R14, R14
	CMPQ R14, depth4-32(SP)
	JGE  rest

four:
	STEP256(0)
	STEP256(1)
	STEP256(2)
	STEP256(3)
	ADDQ $256, R15
	ADDQ $4, R14
	CMPQ R14, depth4-32(SP)
	JLT  four

rest:
	CMPQ R14, depth-24(SP)
	JGE  next
	STEP256(0)
	ADDQ $64, R15
	INCQ R14
	JMP  rest

next:
	DECQ taps-16(SP)
	JNZ  tap

	MOVQ DotArgs_Y(BP), DI
	MOVQ DotArgs_Stride(BP), SI
	MOVQ DotArgs_Add(BP), BX
	MOVQ DotArgs_Valid(BP), CX
	MOVL DotArgs_Mask(BP), AX
	CMPL AX, $0xffff
	JNE  partial
	TESTQ BX, BX
	JNZ  add
	ROWOUT256(Y0, Y1)
	ROWOUT256(Y2, Y3)
	ROWOUT256(Y4, Y5)
	ROWOUT256(Y6, Y7)
	ROWOUT256(Y8, Y9)
	ROWOUT256(Y10, Y11)
	JMP  done

add:
	ROWADD256(Y0, Y1)
	ROWADD256(Y2, Y3)
	ROWADD256(Y4, Y5)
	ROWADD256(Y6, Y7)
	ROWADD256(Y8, Y9)
	ROWADD256(Y10, Y11)
	JMP  done

partial: // fewer columns: leave the tile in the buffer
	MOVQ DotArgs_Partial(BP), R8
	PUT256(0, Y0, Y1)
	PUT256(1, Y2, Y3)
	PUT256(2, Y4, Y5)
	PUT256(3, Y6, Y7)
	PUT256(4, Y8, Y9)
	PUT256(5, Y10, Y11)

done:
	VZEROUPPER
	RET

#define OUTER256(i, bc, lo, hi) \
	VBROADCASTSS (i*4)(AX), bc \
	VFMADD231PS Y14, bc, lo    \
	VFMADD231PS Y15, bc, hi

#define ACC256(i, lo, hi) \
	VADDPS  (i*64)(DI), lo, lo    \
	VADDPS  (i*64+32)(DI), hi, hi \
	VMOVUPS lo, (i*64)(DI)        \
	VMOVUPS hi, (i*64+32)(DI)

// func outer256(a *outerArgs)
//
// Twelve accumulators leave no registers for the masks of missing columns: there
// they are read again for every point.
TEXT ·outer256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ OuterArgs_Segments(R8), R9   // segments
	MOVQ OuterArgs_Count(R8), R10  // their number
	MOVQ OuterArgs_StrideX(R8), R11 // stride of x in bytes
	MOVQ OuterArgs_StrideD(R8), R12 // stride of d in bytes
	MOVQ R11, R13
	SHLQ $6, R13     // 64 points on, the next block's: pointsPerBlock
	MOVQ OuterArgs_Y(R8), DI  // y, a tile
	MOVQ OuterArgs_Masks(R8), DX  // masks of the columns
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

segment:
	MOVQ 0(R9), AX
	MOVQ 8(R9), BX
	MOVQ 16(R9), CX
	ADDQ $24, R9

	CMPL OuterArgs_Mask(R8), $0xffff
	JNE  masked

point:
	PREFETCHT1 (AX)(R13*1)
	VMOVUPS (BX), Y14
	VMOVUPS 32(BX), Y15
	OUTER256(0, Y12, Y0, Y1)
	OUTER256(1, Y13, Y2, Y3)
	OUTER256(2, Y12, Y4, Y5)
	OUTER256(3, Y13, Y6, Y7)
	OUTER256(4, Y12, Y8, Y9)
	OUTER256(5, Y13, Y10, Y11)
	ADDQ R11, AX
	ADDQ R12, BX
	DECQ CX
	JNZ  point
	JMP  next

masked:
	VMOVDQU (DX), Y12
	VMOVDQU 32(DX), Y13
	VMASKMOVPS (BX), Y12, Y14
	VMASKMOVPS 32(BX), Y13, Y15
	OUTER256(0, Y12, Y0, Y1)
	OUTER256(1, Y13, Y2, Y3)
	OUTER256(2, Y12, Y4, Y5)
	OUTER256(3, Y13, Y6, Y7)
	OUTER256(4, Y12, Y8, Y9)
	OUTER256(5, Y13, Y10, Y11)
	ADDQ R11, AX
	ADDQ R12, BX
	DECQ CX
	JNZ  masked

next:
	DECQ R10
	JNZ  segment

	ACC256(0, Y0, Y1)
	ACC256(1, Y2, Y3)
	ACC256(2, Y4, Y5)
	ACC256(3, Y6, Y7)
	ACC256(4, Y8, Y9)
	ACC256(5, Y10, Y11)
	VZEROUPPER
	RET

// func panel256(a *panelArgs)
TEXT ·panel256(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ PanelArgs_Dst(R8), DI
	MOVQ PanelArgs_Segments(R8), R9   // segments
	MOVQ PanelArgs_Count(R8), R10 // their number
	MOVQ PanelArgs_Stride(R8), R12 // stride of d in bytes
	MOVQ R12, R14
	SHLQ $6, R14     // 64 points on: the next block's
	MOVQ PanelArgs_Masks(R8), AX
	VMOVDQU (AX), Y2
	VMOVDQU 32(AX), Y3

segment:
	MOVQ 8(R9), BX
	MOVQ 16(R9), CX
	MOVQ DI, 8(R9)
	ADDQ $24, R9

point:
	PREFETCHT1 (BX)(R14*1)
	VMASKMOVPS (BX), Y2, Y0
	VMASKMOVPS 32(BX), Y3, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ R12, BX
	ADDQ $64, DI
	DECQ CX
	JNZ  point
	DECQ R10
	JNZ  segment
	VZEROUPPER
	RET

// func fma256(n int) runs n·12 independent fused multiply-adds on 8 lanes.
TEXT ·fma256(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), CX
	VXORPS Y12, Y12, Y12

roof:
	VFMADD231PS Y12, Y12, Y0
	VFMADD231PS Y12, Y12, Y1
	VFMADD231PS Y12, Y12, Y2
	VFMADD231PS Y12, Y12, Y3
	VFMADD231PS Y12, Y12, Y4
	VFMADD231PS Y12, Y12, Y5
	VFMADD231PS Y12, Y12, Y6
	VFMADD231PS Y12, Y12, Y7
	VFMADD231PS Y12, Y12, Y8
	VFMADD231PS Y12, Y12, Y9
	VFMADD231PS Y12, Y12, Y10
	VFMADD231PS Y12, Y12, Y11
	DECQ CX
	JNZ  roof
	VZEROUPPER
	RET
