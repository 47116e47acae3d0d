// value·GELU(gate) of sums, with the vector functions' own macros.
#include "../../vec/lanes512_amd64.h"
#include "../../vec/kernels_amd64.h"

// Z4-Z7: the bias at AX of 32 values and of their gates.
#define GATING \
	PHICONST             \
	VMOVUPS (AX), Z4     \
	VMOVUPS 64(AX), Z5   \
	VMOVUPS 128(AX), Z6  \
	VMOVUPS 192(AX), Z7

// Masks of columns, of the low bits of AX: K4, and its halves K1 and K2.
#define MASKS \
	KMOVD AX, K4         \
	KMOVW AX, K1         \
	SHRL  $16, AX        \
	KMOVW AX, K2

// Stores the row whose sums DI points to, those of gates a tile behind, where R14 points
// to its address, and goes on to the next. Z0-Z3 and Z8-Z12 are lost.
#define STORE_GATED(half, shift, wide, dropped) \
	MOVQ   (R14), R11          \
	ADDQ   $8, R14             \
	TESTQ  R11, R11            \
	JZ     dropped             \
	ADDQ   shift, R11          \
	VADDPS 4096(DI), Z6, Z1    \
	VADDPS (DI), Z4, Z0        \
	GEGLU(Z0, Z1, Z2)          \
	VADDPS 4160(DI), Z7, Z1    \
	VADDPS 64(DI), Z5, Z0      \
	GEGLU(Z0, Z1, Z3)          \
	CMPQ   half, $0            \
	JE     wide                \
	CVT(0, 3, 2)               \
	VMOVDQU16 Z0, K4, (R11)    \
	JMP    dropped             \
wide:                          \
	VMOVUPS Z2, K1, (R11)      \
	VMOVUPS Z3, K2, 64(R11)    \
dropped:                       \
	ADDQ   $128, DI
