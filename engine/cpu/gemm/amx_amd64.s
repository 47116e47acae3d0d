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

// Brings a line into the cache to be written.
#define PREFETCHW_DI BYTE $0x0F; BYTE $0x0D; BYTE $0x0F
#define PREFETCHW_DI_64 BYTE $0x0F; BYTE $0x0D; BYTE $0x4F; BYTE $0x40

// func tileAMX(t *tileArgs)
TEXT ·tileAMX(SB), NOSPLIT, $40-8
	MOVQ t+0(FP), R8
	LEAQ tilecfg<>(SB), AX
	LDTILECFG_AX
	MOVQ 48(R8), SI  // stride of b
	MOVQ 56(R8), R9  // from b's first to its second tile
	MOVQ 64(R8), R10 // from one step to the next
	MOVQ 72(R8), R14 // accumulators
	MOVQ 8(R8), R15
	SHLQ $4, R15     // 16 rows of a
	MOVQ 112(R8), BP // what to fetch
	MOVQ 96(R8), AX
	MOVQ AX, left-8(SP)
	MOVQ 88(R8), AX
	MOVQ AX, moves-16(SP)
	MOVQ 128(R8), AX
	MOVQ AX, results-40(SP)

tile:
	MOVQ 0(R8), AX
	CMPQ 96(R8), $0
	JE   one
	MOVQ moves-16(SP), CX
	ADDQ (CX), AX
	ADDQ $8, CX
	MOVQ CX, moves-16(SP)

one:
	MOVQ AX, a-24(SP)
	MOVQ 104(R8), AX
	MOVQ AX, places-32(SP)
	MOVQ 40(R8), DX  // b
	MOVQ 16(R8), R11 // offsets of the taps
	MOVQ 24(R8), R12 // their number
	CMPQ 80(R8), $0
	JNE  resume
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	JMP  begin

resume:
	MOVQ R14, AX
	MOVQ $128, BX
	TILELOAD_AX_BX(0)
	ADDQ $64, AX
	TILELOAD_AX_BX(1)
	ADDQ $1984, AX
	TILELOAD_AX_BX(2)
	ADDQ $64, AX
	TILELOAD_AX_BX(3)

begin:
	MOVQ 8(R8), BX // stride of a

tap:
	MOVQ  places-32(SP), CX
	TESTQ CX, CX
	JZ    behind
	MOVQ  40(R8), DX
	ADDQ  (CX), DX
	ADDQ  $8, CX
	MOVQ  CX, places-32(SP)

behind:
	MOVQ a-24(SP), AX
	ADDQ (R11), AX
	ADDQ $8, R11
	LEAQ (AX)(R15*1), CX
	MOVQ 32(R8), R13

step:
	CMPQ BP, 120(R8)
	JAE  claim
	PREFETCHT1 (BP)
	PREFETCHT1 64(BP)
	PREFETCHT1 128(BP)
	PREFETCHT1 192(BP)
	ADDQ $256, BP

claim:
	MOVQ results-40(SP), DI
	CMPQ DI, 136(R8)
	JAE  multiply
	MOVQ (DI), DI
	PREFETCHW_DI
	PREFETCHW_DI_64
	ADDQ 144(R8), DI
	PREFETCHT0 (DI)
	PREFETCHT0 64(DI)
	ADDQ $8, results-40(SP)

multiply:
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

	MOVQ R14, AX
	MOVQ $128, BX
	TILESTORE_AX_BX(0)
	ADDQ $64, AX
	TILESTORE_AX_BX(1)
	ADDQ $1984, AX
	TILESTORE_AX_BX(2)
	ADDQ $64, AX
	TILESTORE_AX_BX(3)
	ADDQ $4096, R14
	DECQ left-8(SP)
	JG   tile
	TILERELEASE
	RET
