#include "go_asm.h"
#include "lanes512_amd64.h"
#include "kernels_amd64.h"

// Where blockArgs has room for a vector of each row, behind its last field.
#define HOLD (blockArgs_low+8)

// Blocks of a softmax, 16 rows at a time: what is known of these is one vector,
// and hold has a vector for each of which its largest number or its sum is left.

#define NEGINF Z19
#define ZERO Z18

DATA neginf<>+0(SB)/4, $0xff800000
GLOBL neginf<>(SB), RODATA|NOPTR, $4

// Four rows of hold, folded by OP to one quarter each; in every quarter of o is
// one number of each row.
#define FOURROWS(OP, at, o) \
	VMOVUPS (at)(R15), Z0     \
	VMOVUPS (at+64)(R15), Z1  \
	VMOVUPS (at+128)(R15), Z2 \
	VMOVUPS (at+192)(R15), Z3 \
	VUNPCKLPS Z1, Z0, Z4      \
	VUNPCKHPS Z1, Z0, Z5      \
	OP Z5, Z4, Z4             \
	VUNPCKLPS Z3, Z2, Z5      \
	VUNPCKHPS Z3, Z2, Z6      \
	OP Z6, Z5, Z5             \
	VUNPCKLPD Z5, Z4, Z6      \
	VUNPCKHPD Z5, Z4, Z7      \
	OP Z7, Z6, o

// Z0 = the sums, or largest numbers, of the rows of hold.
#define FOLDROWS(OP) \
	LEAQ HOLD(R8), R15              \
	FOURROWS(OP, 0, Z8)            \
	FOURROWS(OP, 256, Z9)          \
	FOURROWS(OP, 512, Z10)         \
	FOURROWS(OP, 768, Z11)         \
	VSHUFF32X4 $0x88, Z9, Z8, Z0   \
	VSHUFF32X4 $0xdd, Z9, Z8, Z1   \
	OP Z1, Z0, Z0                  \
	VSHUFF32X4 $0x88, Z11, Z10, Z1 \
	VSHUFF32X4 $0xdd, Z11, Z10, Z2 \
	OP Z2, Z1, Z1                  \
	VSHUFF32X4 $0x88, Z1, Z0, Z2   \
	VSHUFF32X4 $0xdd, Z1, Z0, Z3   \
	OP Z3, Z2, Z0

// The mask K3 of the first CX (≤ 16) rows; BX is lost.
#define ROWMASK \
	MOVL $1, BX   \
	SHLL CX, BX   \
	DECL BX       \
	KMOVW BX, K3

// The masks K1 and K2 of the halves of a panel of which CX (< 32) columns are
// seen; BX is lost.
#define PANELMASKS \
	MOVL $1, BX   \
	SHLL CX, BX   \
	DECL BX       \
	KMOVW BX, K1  \
	SHRL $16, BX  \
	KMOVW BX, K2

// A row sees AX whole panels and CX columns more: R12, but between 0 and all.
#define SEEN \
	MOVQ R12, AX         \
	XORL CX, CX          \
	TESTQ AX, AX         \
	CMOVQLT CX, AX       \
	CMPQ AX, blockArgs_n(R8)      \
	CMOVQGT blockArgs_n(R8), AX   \
	MOVQ AX, CX          \
	ANDQ $31, CX         \
	SHRQ $5, AX

#define NEXTROW \
	ADDQ $64, R14     \
	ADDQ R11, DI      \
	ADDQ blockArgs_step(R8), R12  \
	DECQ R13

// Z1 and Z2 = e^(x-Z12) for Z3 and Z4.
#define EXPPANEL \
	VSUBPS Z12, Z3, Z3    \
	VSUBPS Z12, Z4, Z4    \
	EXPBELOW(Z3, Z5, Z1)  \
	EXPBELOW(Z4, Z6, Z2)

#define ADDPANEL \
	VADDPS Z1, Z10, Z10   \
	VADDPS Z2, Z11, Z11

// In place.
#define STOREFLOATS \
	VMOVUPS Z1, (SI)      \
	VMOVUPS Z2, 64(SI)
#define STOREPART \
	VMOVUPS Z1, K1, (SI)    \
	VMOVUPS Z2, K2, 64(SI)

// Z0 = 32 bfloat16 of Z1 and Z2: VCVTNE2PS2BF16, for which the assembler has no
// name; and of Z3 and Z4.
#define ROUND12 BYTE $0x62; BYTE $0xF2; BYTE $0x6F; BYTE $0x48; BYTE $0x72; BYTE $0xC1
#define ROUND34 BYTE $0x62; BYTE $0xF2; BYTE $0x5F; BYTE $0x48; BYTE $0x72; BYTE $0xC3

// To bfloat16 at R15.
#define BEGINHALVES MOVQ dst-24(SP), R15
#define STOREHALVES \
	ROUND12                   \
	VMOVDQU64 Z0, (R15)       \
	ADDQ $64, R15

// The same, and what that took away BP bytes further on.
#define STORESPLIT \
	ROUND12                   \
	VMOVDQU64 Z0, (R15)       \
	VPMOVZXWD Y0, Z3          \
	VEXTRACTI64X4 $1, Z0, Y4  \
	VPMOVZXWD Y4, Z4          \
	VPSLLD $16, Z3, Z3        \
	VPSLLD $16, Z4, Z4        \
	VSUBPS Z3, Z1, Z3         \
	VSUBPS Z4, Z2, Z4         \
	ROUND34                   \
	VMOVDQU64 Z0, (R15)(BP*1) \
	ADDQ $64, R15

// Zeros up to the end of a row of halves.
#define ENDHALVES \
	MOVQ dst-24(SP), AX       \
	MOVQ AX, CX               \
	ADDQ width-56(SP), CX     \
	ADDQ blockArgs_distance(R8), AX           \
	MOVQ AX, dst-24(SP)       \
zero:                         \
	CMPQ R15, CX              \
	JAE  zeroed               \
	VMOVDQU64 ZERO, (R15)     \
	VMOVDQU64 ZERO, (R15)(BP*1) \
	ADDQ $64, R15             \
	JMP  zero                 \
zeroed:

// What the kernels of blocks begin with: DX is where 16 rows begin, R12 what the
// first of them sees, R10 the distance of panels, R11 that of rows.
#define BLOCKARGS \
	MOVQ a+0(FP), R8          \
	MOVQ blockArgs_x(R8), DX            \
	MOVQ blockArgs_row(R8), R11           \
	MOVQ blockArgs_panel(R8), R10          \
	MOVQ blockArgs_rows(R8), AX           \
	MOVQ AX, left-64(SP)      \
	MOVQ blockArgs_seen(R8), R12          \
	MOVQ blockArgs_dst(R8), AX           \
	MOVQ AX, dst-24(SP)       \
	MOVQ blockArgs_n(R8), AX           \
	ADDQ $31, AX              \
	SHRQ $5, AX               \
	SHLQ $6, AX               \
	MOVQ AX, width-56(SP)     \
	MOVQ blockArgs_low(R8), BP           \
	EXPCONST                  \
	VPXORD ZERO, ZERO, ZERO

// R13 = 16 rows, or those left, with the mask K3.
#define BLOCKROWS \
	MOVQ $16, CX              \
	CMPQ CX, left-64(SP)      \
	CMOVQGT left-64(SP), CX   \
	MOVQ CX, rows-8(SP)       \
	MOVQ R12, seen-16(SP)     \
	ROWMASK                   \
	MOVQ CX, R13              \
	MOVQ DX, DI               \
	LEAQ HOLD(R8), R14

// Back to the first of these rows.
#define AGAIN \
	MOVQ rows-8(SP), R13      \
	MOVQ seen-16(SP), R12     \
	MOVQ DX, DI               \
	LEAQ HOLD(R8), R14

// The softmax of a block.
#define SOFTMAX(BEGIN, STORE, STORELAST, END) \
	BLOCKARGS                 \
	VBROADCASTSS neginf<>(SB), NEGINF \
	MOVQ softmaxArgs_top(R8), AX         \
	MOVQ AX, top-32(SP)       \
	MOVQ softmaxArgs_total(R8), AX         \
	MOVQ AX, total-40(SP)     \
	MOVQ softmaxArgs_shrink(R8), AX         \
	MOVQ AX, shrink-48(SP)    \
block:                        \ // Of each 16 rows:
	BLOCKROWS                 \
top:                          \ // the largest score of each row, lane by lane,
	SEEN                      \
	VMOVAPS NEGINF, Z1        \
	VMOVAPS NEGINF, Z2        \
	MOVQ DI, SI               \
	TESTQ AX, AX              \
	JZ   toptail              \
toppanel:                     \
	VMAXPS (SI), Z1, Z1       \
	VMAXPS 64(SI), Z2, Z2     \
	ADDQ R10, SI              \
	DECQ AX                   \
	JNZ  toppanel             \
toptail:                      \
	TESTQ CX, CX              \
	JZ   topend               \
	PANELMASKS                \
	VMAXPS (SI), Z1, K1, Z1   \
	VMAXPS 64(SI), Z2, K2, Z2 \
topend:                       \ // which the lanes are folded to behind the loop: the new top, and what it shrinks the sums before by.
	VMAXPS Z2, Z1, Z1         \
	VMOVUPS Z1, (R14)         \
	NEXTROW                   \
	JNZ  top                  \
	FOLDROWS(VMAXPS)          \
	MOVQ top-32(SP), AX       \
	VMOVUPS.Z (AX), K3, Z1    \
	VMAXPS Z0, Z1, Z2         \
	VMOVUPS Z2, K3, (AX)      \
	VSUBPS Z2, Z1, Z3         \
	EXPBELOW(Z3, Z4, Z1)      \
	MOVQ shrink-48(SP), AX    \
	VMOVUPS Z1, K3, (AX)      \
	VCMPPS $4, ONE, Z1, K3, K4 \
	KMOVW K4, AX              \
	ORQ  AX, softmaxArgs_shrunk(R8)         \
	AGAIN                     \
row:                          \ // Then e^(x-top) of each row, panel by panel, and its sum.
	SEEN                      \
	MOVQ top-32(SP), BX       \
	VBROADCASTSS (BX), Z12    \
	ADDQ $4, BX               \
	MOVQ BX, top-32(SP)       \
	VXORPS Z10, Z10, Z10      \
	VXORPS Z11, Z11, Z11      \
	MOVQ DI, SI               \
	BEGIN                     \
	TESTQ AX, AX              \
	JZ   tail                 \
panel:                        \
	VMOVUPS (SI), Z3          \
	VMOVUPS 64(SI), Z4        \
	EXPPANEL                  \
	ADDPANEL                  \
	STORE                     \
	ADDQ R10, SI              \
	DECQ AX                   \
	JNZ  panel                \
tail:                         \ // The columns of the last panel that the row sees.
	TESTQ CX, CX              \
	JZ   end                  \
	PANELMASKS                \
	VMOVUPS.Z (SI), K1, Z3    \
	VMOVUPS.Z 64(SI), K2, Z4  \
	EXPPANEL                  \
	VMOVAPS.Z Z1, K1, Z1      \
	VMOVAPS.Z Z2, K2, Z2      \
	ADDPANEL                  \
	STORELAST                 \
end:                          \ // What the row does not see becomes zero.
	END                       \
	VADDPS Z11, Z10, Z10      \
	VMOVUPS Z10, (R14)        \
	NEXTROW                   \
	JNZ  row                  \
	FOLDROWS(VADDPS)          \
	MOVQ total-40(SP), AX     \
	MOVQ shrink-48(SP), BX    \
	VMOVUPS.Z (AX), K3, Z1    \
	VMOVUPS.Z (BX), K3, Z2    \
	VFMADD231PS Z2, Z1, Z0    \
	VMOVUPS Z0, K3, (AX)      \
	ADDQ $64, total-40(SP)    \
	ADDQ $64, shrink-48(SP)   \
	MOVQ DI, DX               \
	SUBQ $16, left-64(SP)     \
	JG   block                \
	DONE

// func softmax512(a *softmaxArgs)
TEXT ·softmax512(SB), NOSPLIT, $64-8
	SOFTMAX(NONE, STOREFLOATS, STOREPART, NONE)

// func softmaxHalves512(a *softmaxArgs)
TEXT ·softmaxHalves512(SB), NOSPLIT, $64-8
	SOFTMAX(BEGINHALVES, STOREHALVES, STOREHALVES, ENDHALVES)

// func softmaxSplit512(a *softmaxArgs)
TEXT ·softmaxSplit512(SB), NOSPLIT, $64-8
	SOFTMAX(BEGINHALVES, STORESPLIT, STORESPLIT, ENDHALVES)

#define FACTOR Z17

// Z1 and Z2 = e^(FACTOR·x-Z12) for Z3 and Z4.
#define SCALEDPANEL \
	VFMSUB213PS Z12, FACTOR, Z3 \
	VFMSUB213PS Z12, FACTOR, Z4 \
	EXPBELOW(Z3, Z5, Z1)  \
	EXPBELOW(Z4, Z6, Z2)

// The gradients of a block; R9 is the distance from a score to the gradient of
// its probability.
#define SOFTMAXGRADS(BEGIN, STORE, END) \
	BLOCKARGS                 \
	MOVQ gradArgs_grads(R8), R9         \
	SUBQ DX, R9               \
	MOVQ gradArgs_lse(R8), AX         \
	MOVQ AX, lse-32(SP)       \
	MOVQ gradArgs_delta(R8), AX         \
	MOVQ AX, delta-40(SP)     \
	VBROADCASTSS gradArgs_scale(R8), FACTOR \
block:                        \ // Of each 16 rows:
	BLOCKROWS                 \
row:                          \ // the probabilities of each row in place of its scores, and their sum with their gradients,
	SEEN                      \
	MOVQ lse-32(SP), BX       \
	VBROADCASTSS (BX), Z12    \
	ADDQ $4, BX               \
	MOVQ BX, lse-32(SP)       \
	VXORPS Z10, Z10, Z10      \
	VXORPS Z11, Z11, Z11      \
	MOVQ DI, SI               \
	TESTQ AX, AX              \
	JZ   tail                 \
panel:                        \
	VMOVUPS (SI), Z3          \
	VMOVUPS 64(SI), Z4        \
	SCALEDPANEL               \
	STOREFLOATS               \
	VFMADD231PS (SI)(R9*1), Z1, Z10   \
	VFMADD231PS 64(SI)(R9*1), Z2, Z11 \
	ADDQ R10, SI              \
	DECQ AX                   \
	JNZ  panel                \
tail:                         \ // the last panel by its masks;
	TESTQ CX, CX              \
	JZ   end                  \
	PANELMASKS                \
	VMOVUPS.Z (SI), K1, Z3    \
	VMOVUPS.Z 64(SI), K2, Z4  \
	SCALEDPANEL               \
	STOREPART                 \
	VFMADD231PS (SI)(R9*1), Z1, K1, Z10   \
	VFMADD231PS 64(SI)(R9*1), Z2, K2, Z11 \
end:                          \
	VADDPS Z11, Z10, Z10      \
	VMOVUPS Z10, (R14)        \
	NEXTROW                   \
	JNZ  row                  \
	FOLDROWS(VADDPS)          \
	CMPQ gradArgs_own(R8), $0         \
	JE   given                \
	MOVQ delta-40(SP), AX     \
	VMOVUPS Z0, K3, (AX)      \
given:                        \ // that sum is delta, unless it was given.
	AGAIN                     \
grad:                         \ // Then the gradients of the scores, Scale·p·(gradient-delta),
	SEEN                      \
	MOVQ delta-40(SP), BX     \
	VBROADCASTSS (BX), Z12    \
	VMULPS FACTOR, Z12, Z12   \
	ADDQ $4, BX               \
	MOVQ BX, delta-40(SP)     \
	MOVQ DI, SI               \
	BEGIN                     \
	TESTQ AX, AX              \
	JZ   gradtail             \
gradpanel:                    \
	VMOVUPS (SI)(R9*1), Z1    \
	VMOVUPS 64(SI)(R9*1), Z2  \
	VFMSUB213PS Z12, FACTOR, Z1 \
	VFMSUB213PS Z12, FACTOR, Z2 \
	VMULPS (SI), Z1, Z1       \
	VMULPS 64(SI), Z2, Z2     \
	VMOVUPS Z1, (SI)(R9*1)    \
	VMOVUPS Z2, 64(SI)(R9*1)  \
	STORE                     \
	ADDQ R10, SI              \
	DECQ AX                   \
	JNZ  gradpanel            \
gradtail:                     \ // the last panel by its masks.
	TESTQ CX, CX              \
	JZ   gradend              \
	PANELMASKS                \
	VMOVUPS.Z (SI)(R9*1), K1, Z1   \
	VMOVUPS.Z 64(SI)(R9*1), K2, Z2 \
	VFMSUB213PS Z12, FACTOR, Z1 \
	VFMSUB213PS Z12, FACTOR, Z2 \
	VMULPS.Z (SI), Z1, K1, Z1     \
	VMULPS.Z 64(SI), Z2, K2, Z2   \
	VMOVUPS Z1, K1, (SI)(R9*1)    \
	VMOVUPS Z2, K2, 64(SI)(R9*1)  \
	STORE                     \
gradend:                      \
	END                       \
	NEXTROW                   \
	JNZ  grad                 \
	MOVQ DI, DX               \
	SUBQ $16, left-64(SP)     \
	JG   block                \
	DONE

// func softmaxGrads512(a *gradArgs)
TEXT ·softmaxGrads512(SB), NOSPLIT, $64-8
	SOFTMAXGRADS(NONE, NONE, NONE)

// func softmaxGradsHalves512(a *gradArgs)
TEXT ·softmaxGradsHalves512(SB), NOSPLIT, $64-8
	SOFTMAXGRADS(BEGINHALVES, STOREHALVES, ENDHALVES)

// func softmaxGradsSplit512(a *gradArgs)
TEXT ·softmaxGradsSplit512(SB), NOSPLIT, $64-8
	SOFTMAXGRADS(BEGINHALVES, STORESPLIT, ENDHALVES)

