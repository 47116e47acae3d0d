// Rounding to bfloat16.

// The assembler has no name for VCVTNE2PS2BF16 either: register o gets the
// bfloat16 of lo (lower half) and hi, all of them Z0-Z7.
#define CVT(o, hi, lo) BYTE $0x62; BYTE $0xF2; BYTE $(8*(15-hi)+7); BYTE $0x48; BYTE $0x72; BYTE $(0xC0+8*o+lo)

// Z0 = 32 numbers of Z1 and Z2.
#define ROUND32 CVT(0, 2, 1)

// Z0 = what that took away.
#define LOW32 \
	VPMOVZXWD     Y0, Z3     \
	VEXTRACTI64X4 $1, Z0, Y4 \
	VPMOVZXWD     Y4, Z4     \
	VPSLLD        $16, Z3, Z3 \
	VPSLLD        $16, Z4, Z4 \
	VSUBPS        Z3, Z1, Z3 \
	VSUBPS        Z4, Z2, Z4 \
	CVT(0, 4, 3)

// Masks of the last CX (< 32) numbers: K3, and its halves K1 and K2.
#define TAIL \
	MOVL  $1, AX \
	SHLL  CX, AX \
	DECL  AX     \
	KMOVD AX, K3 \
	KMOVW AX, K1 \
	SHRL  $16, AX \
	KMOVW AX, K2

// Rounding and its remainder for pairs: even numbers in Z1, odd ones in Z2.
#define PAIRS16 \
	CVT(0, 2, 1)       \
	VPERMW Z0, Z31, Z0

#define LOWPAIRS16 \
	VPSLLD $16, Z0, Z3 \
	VPANDD Z30, Z0, Z4 \
	VSUBPS Z3, Z1, Z3  \
	VSUBPS Z4, Z2, Z4  \
	CVT(0, 4, 3)       \
	VPERMW Z0, Z31, Z0

DATA odds<>+0(SB)/4, $0xffff0000
GLOBL odds<>(SB), RODATA|NOPTR, $4

// Words 0, 16, 1, 17, …
DATA riffle<>+0(SB)/8, $0x0011000100100000
DATA riffle<>+8(SB)/8, $0x0013000300120002
DATA riffle<>+16(SB)/8, $0x0015000500140004
DATA riffle<>+24(SB)/8, $0x0017000700160006
DATA riffle<>+32(SB)/8, $0x0019000900180008
DATA riffle<>+40(SB)/8, $0x001b000b001a000a
DATA riffle<>+48(SB)/8, $0x001d000d001c000c
DATA riffle<>+56(SB)/8, $0x001f000f001e000e
GLOBL riffle<>(SB), RODATA|NOPTR, $64

#define PAIRING \
	VMOVDQU64    riffle<>(SB), Z31 \
	VPBROADCASTD odds<>(SB), Z30
