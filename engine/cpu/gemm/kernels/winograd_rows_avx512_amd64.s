#include "go_asm.h"
#include "textflag.h"
#include "tiles_amd64.h"

// An element ξ of Bᵀd, 32 channels: the sum or difference (op) of two pixels, of which
// x and y hold half each; its high and low parts.
#define ELEMENT(op, x, y, x1, y1) \
	op        x1, x, Z1        \
	op        y1, y, Z2        \
	ROUND32                    \
	VMOVDQU64 Z0, (DI)         \
	LOW32                      \
	VMOVDQU64 Z0, (DI)(R14*1)  \
	ADDQ      R13, DI

// func splitRow(a *splitRowArgs)
TEXT ·splitRow(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ SplitRowArgs_Src(R8), R9   // pixels
	MOVQ SplitRowArgs_Pixel(R8), BX   // from one to the next
	LEAQ (BX)(BX*2), R10
	MOVQ SplitRowArgs_Dst(R8), R12 // V
	MOVQ SplitRowArgs_Next(R8), R11 // from one pair to the next
	MOVQ SplitRowArgs_Xi(R8), R13 // from one ξ to the next
	MOVQ SplitRowArgs_Low(R8), R14 // to the low parts
	MOVQ SplitRowArgs_Count(R8), DX  // pairs

pair:
	MOVQ R9, SI
	MOVQ R12, R15
	MOVQ SplitRowArgs_Channels(R8), CX

channels:
	VMOVUPS (SI), Z16
	VMOVUPS 64(SI), Z17
	VMOVUPS (SI)(BX*1), Z18
	VMOVUPS 64(SI)(BX*1), Z19
	VMOVUPS (SI)(BX*2), Z20
	VMOVUPS 64(SI)(BX*2), Z21
	VMOVUPS (SI)(R10*1), Z22
	VMOVUPS 64(SI)(R10*1), Z23
	MOVQ R15, DI
	ELEMENT(VSUBPS, Z16, Z17, Z20, Z21)
	ELEMENT(VADDPS, Z18, Z19, Z20, Z21)
	ELEMENT(VSUBPS, Z20, Z21, Z18, Z19)
	ELEMENT(VSUBPS, Z18, Z19, Z22, Z23)
	ADDQ $128, SI
	ADDQ $64, R15
	SUBQ $32, CX
	JGT  channels
	LEAQ (R9)(BX*2), R9
	ADDQ R11, R12
	DECQ DX
	JNZ  pair
	VZEROUPPER
	RET

DATA halfRows<>+0(SB)/4, $0x3f000000 // 1/2
GLOBL halfRows<>(SB), RODATA|NOPTR, $4

// The high and low parts of the pairs of Z1 and Z2, an element ξ of 16 columns.
#define PUT_PAIRS(half) \
	PAIRS16                      \
	VMOVDQU64 Z0, (16*half)(DI)  \
	LOWPAIRS16                   \
	VMOVDQU64 Z0, (16*half)(DI)(R14*1) \
	ADDQ      R13, DI

// G g of 16 columns of a row, of an even and an odd channel.
#define FILTERS(half) \
	VMOVUPS half(R9), Z16               \
	VMOVUPS half(R9)(BX*1), Z17         \
	VMOVUPS half(R9)(BX*2), Z18         \
	VMOVUPS (9*128+half)(R9), Z20       \
	VMOVUPS (9*128+half)(R9)(BX*1), Z21 \
	VMOVUPS (9*128+half)(R9)(BX*2), Z22 \
	VADDPS  Z18, Z16, Z19               \
	VADDPS  Z22, Z20, Z23               \
	MOVQ    R12, DI                     \
	VMOVAPS Z16, Z1                     \
	VMOVAPS Z20, Z2                     \
	PUT_PAIRS(half)                     \
	VADDPS  Z17, Z19, Z1                \
	VADDPS  Z21, Z23, Z2                \
	VMULPS  Z29, Z1, Z1                 \
	VMULPS  Z29, Z2, Z2                 \
	PUT_PAIRS(half)                     \
	VSUBPS  Z17, Z19, Z1                \
	VSUBPS  Z21, Z23, Z2                \
	VMULPS  Z29, Z1, Z1                 \
	VMULPS  Z29, Z2, Z2                 \
	PUT_PAIRS(half)                     \
	VMOVAPS Z18, Z1                     \
	VMOVAPS Z22, Z2                     \
	PUT_PAIRS(half)

// func filterPairs(a *filterPairsArgs)
TEXT ·filterPairs(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R8
	MOVQ FilterPairsArgs_Src(R8), R9   // the first tap
	MOVQ FilterPairsArgs_Tap(R8), BX   // to the next
	MOVQ FilterPairsArgs_Dst(R8), R12 // U
	MOVQ FilterPairsArgs_Xi(R8), R13 // from one ξ to the next
	MOVQ FilterPairsArgs_Low(R8), R14 // to the low parts
	MOVQ FilterPairsArgs_Count(R8), DX  // pairs
	PAIRING
	VBROADCASTSS halfRows<>(SB), Z29

filters:
	FILTERS(0)
	FILTERS(64)
	ADDQ $(2*9*128), R9
	ADDQ $64, R12
	DECQ DX
	JNZ  filters
	VZEROUPPER
	RET
