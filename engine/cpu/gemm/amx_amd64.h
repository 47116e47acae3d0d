// The tile instructions, and the storing of sums beside them.

// The assembler has no names for the tile instructions; these are their bytes.
// Tiles 0-3 accumulate, 4 and 5 hold 16 rows of a each, 6 and 7 16 columns of b.
#define LDTILECFG_AX BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define TILERELEASE BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0
#define TILEZERO(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0+8*r)
#define TILELOAD_AX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x18
#define TILELOAD_CX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x19
#define TILELOAD_DX_SI(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x32
#define TILELOAD_DI_SI(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x37
#define TILESTORE_CX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x19
#define TILESTORE_AX_BX(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(8*r+4); BYTE $0x18

// tile c += tile a · tile b
#define TDPBF16PS(c, a, b) BYTE $0xC4; BYTE $0xE2; BYTE $(8*(15-b)+2); BYTE $0x5C; BYTE $(0xC0+8*c+a)

// Brings a line into the cache to be written.
#define PREFETCHW_R11 BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x0B
#define PREFETCHW_R11_64 BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x4B; BYTE $0x40

// Stores the row of sums at DI where R14 points to its address, and goes on to the next.
#define STORE_ROW(plain, dropped) \
	MOVQ     (R14), R11              \
	ADDQ     $8, R14                 \
	TESTQ    R11, R11                \
	JZ       dropped                 \
	VADDPS   (DI), Z30, Z0           \
	VADDPS   64(DI), Z31, Z1         \
	CMPQ     add-64(SP), $0          \
	JE       plain                   \
	VADDPS.Z (R11)(R15*1), Z0, K1, Z0   \
	VADDPS.Z 64(R11)(R15*1), Z1, K2, Z1 \
plain:                               \
	VMOVUPS Z0, K1, (R11)            \
	VMOVUPS Z1, K2, 64(R11)          \
dropped:                             \
	ADDQ $128, DI

// Half of two neighbouring results of F(2,3), of their four sums.
#define JOIN(at, bias, left, right, tmp) \
	VMOVUPS (128+at)(DI), left        \
	VMOVUPS (256+at)(DI), tmp         \
	VSUBPS  tmp, left, right          \
	VADDPS  tmp, left, left           \
	VADDPS  (at)(DI), left, left      \
	VSUBPS  (384+at)(DI), right, right \
	VADDPS  bias, left, left          \
	VADDPS  bias, right, right

// Stores a result whose address R11 is, if that is not 0.
#define STORE_RESULT(y, z, plain, dropped) \
	TESTQ    R11, R11                   \
	JZ       dropped                    \
	CMPQ     add-64(SP), $0             \
	JE       plain                      \
	VADDPS.Z (R11)(R15*1), y, K1, y     \
	VADDPS.Z 64(R11)(R15*1), z, K2, z   \
plain:                                  \
	VMOVUPS y, K1, (R11)                \
	VMOVUPS z, K2, 64(R11)              \
dropped:

// The same for the two results of a row of four sums.
#define STORE_PAIR(plain0, dropped0, plain1, dropped1) \
	JOIN(0, Z30, Z0, Z2, Z4)           \
	JOIN(64, Z31, Z1, Z3, Z5)          \
	MOVQ (R14), R11                    \
	STORE_RESULT(Z0, Z1, plain0, dropped0) \
	MOVQ 8(R14), R11                   \
	STORE_RESULT(Z2, Z3, plain1, dropped1) \
	ADDQ $16, R14                      \
	ADDQ $512, DI
