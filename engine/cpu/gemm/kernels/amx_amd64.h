// The storing of sums beside products of tiles.

// Brings a line into the cache to be written.
#define PREFETCHW_R11 BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x0B
#define PREFETCHW_R11_64 BYTE $0x41; BYTE $0x0F; BYTE $0x0D; BYTE $0x4B; BYTE $0x40

// Stores a result whose address R11 is, if that is not 0.
#define STORE_RESULT(y, z, plain, dropped) \
	TESTQ    R11, R11                   \
	JZ       dropped                    \
	ADDQ     shift-152(SP), R11         \
	CMPQ     add-64(SP), $0             \
	JE       plain                      \
	VADDPS.Z (R11)(R15*1), y, K1, y     \
	VADDPS.Z 64(R11)(R15*1), z, K2, z   \
plain:                                  \
	VMOVUPS y, K1, (R11)                \
	VMOVUPS z, K2, 64(R11)              \
dropped:

// Stores the row of sums at DI where R14 points to its address, and goes on to the next.
#define STORE_ROW(plain, dropped) \
	MOVQ   (R14), R11                  \
	ADDQ   $8, R14                     \
	VADDPS (DI), Z30, Z0               \
	VADDPS 64(DI), Z31, Z1             \
	STORE_RESULT(Z0, Z1, plain, dropped) \
	ADDQ   $128, DI

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
