#include "go_asm.h"
#include "textflag.h"

// The assembler has no name for VDPBF16PS; these are its bytes. The macro takes
// the accumulator's number (0-7, or 8 less for 8-15), the byte that names b's
// register (0x7E: Z16, 0x76: Z17) and a's register less 16.
#define VDP_LO(acc, b, a) BYTE $0x62; BYTE $0xB2; BYTE $b; BYTE $0x40; BYTE $0x52; BYTE $(0xC0+8*acc+a)
#define VDP_HI(acc, b, a) BYTE $0x62; BYTE $0x32; BYTE $b; BYTE $0x40; BYTE $0x52; BYTE $(0xC0+8*acc+a)

// A row of a pair of k against 32 columns: columns 0-15 in accumulator acc,
// columns 16-31 in acc+8.
#define ROW(acc, a) \
	VDP_LO(acc, 0x7E, a) \
	VDP_HI(acc, 0x76, a)

// Brings a line into the cache to be written.
#define PREFETCHW_R10 BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x0A
#define PREFETCHW_R10_64 BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x4A; BYTE $0x40

// func tileVDP(t *TileArgs)
//
// Eight rows at a time: Z0-Z7 hold their columns 0-15, Z8-Z15 their columns 16-31.
TEXT ·tileVDP(SB), NOSPLIT, $80-8
	MOVQ t+0(FP), R8
	MOVQ TileArgs_Lda(R8), BX   // stride of a
	MOVQ TileArgs_Ldb(R8), SI  // stride of b
	MOVQ TileArgs_Second(R8), R9  // from b's columns 0-15 to 16-31
	LEAQ (BX)(BX*2), R15
	MOVQ TileArgs_Acc(R8), DI  // accumulators
	MOVQ TileArgs_Count(R8), AX
	MOVQ AX, left-16(SP)
	MOVQ TileArgs_Moves(R8), AX
	MOVQ AX, moves-24(SP)
	MOVQ TileArgs_Gaps(R8), AX
	MOVQ AX, gaps-64(SP)
	MOVQ TileArgs_Shifts(R8), AX
	MOVQ AX, shifts-72(SP)
	XORQ AX, AX
	MOVQ AX, results-40(SP)
	MOVQ AX, resultsEnd-48(SP)
	MOVQ TileArgs_Put(R8), CX // put: its rows are fetched, to be written
	TESTQ CX, CX
	JZ   tile
	MOVQ PutArgs_Rows(CX), AX
	MOVQ AX, results-40(SP)
	MOVQ PutArgs_Count(CX), DX
	LEAQ (AX)(DX*8), AX
	MOVQ AX, resultsEnd-48(SP)
	MOVQ PutArgs_Delta(CX), AX
	MOVQ AX, delta-56(SP)

tile:
	MOVQ TileArgs_A(R8), R14 // a, of these rows
	CMPQ TileArgs_Count(R8), $0
	JE   one
	MOVQ moves-24(SP), CX
	ADDQ (CX), R14
	ADDQ $8, CX
	MOVQ CX, moves-24(SP)

one:
	MOVQ TileArgs_B(R8), DX // b
	MOVQ shifts-72(SP), CX
	TESTQ CX, CX
	JZ   same
	ADDQ (CX), DX
	ADDQ $8, CX
	MOVQ CX, shifts-72(SP)

same:
	MOVQ DX, b-80(SP)
	MOVQ $4, CX

rows:
	MOVQ CX, groups-8(SP)
	CMPQ TileArgs_Resume(R8), $0
	JNE  resume
	VPXORD Z0, Z0, Z0
	VMOVAPS Z0, Z1
	VMOVAPS Z0, Z2
	VMOVAPS Z0, Z3
	VMOVAPS Z0, Z4
	VMOVAPS Z0, Z5
	VMOVAPS Z0, Z6
	VMOVAPS Z0, Z7
	VMOVAPS Z0, Z8
	VMOVAPS Z0, Z9
	VMOVAPS Z0, Z10
	VMOVAPS Z0, Z11
	VMOVAPS Z0, Z12
	VMOVAPS Z0, Z13
	VMOVAPS Z0, Z14
	VMOVAPS Z0, Z15
	JMP  begin

resume:
	VMOVUPS (DI), Z0
	VMOVUPS 64(DI), Z8
	VMOVUPS 128(DI), Z1
	VMOVUPS 192(DI), Z9
	VMOVUPS 256(DI), Z2
	VMOVUPS 320(DI), Z10
	VMOVUPS 384(DI), Z3
	VMOVUPS 448(DI), Z11
	VMOVUPS 512(DI), Z4
	VMOVUPS 576(DI), Z12
	VMOVUPS 640(DI), Z5
	VMOVUPS 704(DI), Z13
	VMOVUPS 768(DI), Z6
	VMOVUPS 832(DI), Z14
	VMOVUPS 896(DI), Z7
	VMOVUPS 960(DI), Z15

begin:
	MOVQ b-80(SP), DX
	MOVQ TileArgs_Offsets(R8), R11 // offsets of the taps
	MOVQ TileArgs_Taps(R8), R12 // their number
	MOVQ TileArgs_OffsetsB(R8), AX
	MOVQ AX, offsetsB-32(SP)

tap:
	MOVQ  offsetsB-32(SP), CX
	TESTQ CX, CX
	JZ    behind
	MOVQ  b-80(SP), DX
	ADDQ  (CX), DX
	ADDQ  $8, CX
	MOVQ  CX, offsetsB-32(SP)

behind:
	MOVQ R14, AX
	ADDQ (R11), AX
	ADDQ $8, R11
	MOVQ TileArgs_Steps(R8), R13 // steps

step:
	MOVQ results-40(SP), R10
	CMPQ R10, resultsEnd-48(SP)
	JAE  multiply
	MOVQ (R10), R10
	PREFETCHW_R10
	PREFETCHW_R10_64
	ADDQ delta-56(SP), R10
	PREFETCHT0 (R10)
	PREFETCHT0 64(R10)
	ADDQ $8, results-40(SP)

multiply:
	MOVQ DX, R10
	MOVQ $16, CX

pair:
	VMOVUPS (R10), Z16
	VMOVUPS (R10)(R9*1), Z17
	VBROADCASTSS (AX), Z18
	VBROADCASTSS (AX)(BX*1), Z19
	ROW(0, 2)
	ROW(1, 3)
	VBROADCASTSS (AX)(BX*2), Z20
	VBROADCASTSS (AX)(R15*1), Z21
	ROW(2, 4)
	ROW(3, 5)
	LEAQ (AX)(BX*4), BP
	VBROADCASTSS (BP), Z18
	VBROADCASTSS (BP)(BX*1), Z19
	ROW(4, 2)
	ROW(5, 3)
	VBROADCASTSS (BP)(BX*2), Z20
	VBROADCASTSS (BP)(R15*1), Z21
	ROW(6, 4)
	ROW(7, 5)
	ADDQ $4, AX
	ADDQ SI, R10
	DECQ CX
	JNZ  pair
	ADDQ TileArgs_Next(R8), DX
	DECQ R13
	JNZ  step
	DECQ R12
	JNZ  tap

	VMOVUPS Z0, (DI)
	VMOVUPS Z8, 64(DI)
	VMOVUPS Z1, 128(DI)
	VMOVUPS Z9, 192(DI)
	VMOVUPS Z2, 256(DI)
	VMOVUPS Z10, 320(DI)
	VMOVUPS Z3, 384(DI)
	VMOVUPS Z11, 448(DI)
	VMOVUPS Z4, 512(DI)
	VMOVUPS Z12, 576(DI)
	VMOVUPS Z5, 640(DI)
	VMOVUPS Z13, 704(DI)
	VMOVUPS Z6, 768(DI)
	VMOVUPS Z14, 832(DI)
	VMOVUPS Z7, 896(DI)
	VMOVUPS Z15, 960(DI)
	ADDQ $1024, DI
	LEAQ (R14)(BX*8), R14
	MOVQ groups-8(SP), CX
	CMPQ CX, $3
	JNE  beside
	MOVQ gaps-64(SP), AX
	TESTQ AX, AX
	JZ   beside
	SHLQ $4, BX
	SUBQ BX, R14
	SHRQ $4, BX
	ADDQ (AX), R14
	ADDQ $8, AX
	MOVQ AX, gaps-64(SP)

beside:
	DECQ CX
	JNZ  rows
	DECQ left-16(SP)
	JG   tile
	VZEROUPPER
	RET
