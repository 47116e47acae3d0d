#include "go_asm.h"
#include "textflag.h"
#include "tile_amd64.h"

// Coefficients of 2^f, f from 0 to 1, highest power first: with an error of 7.5e-5,
// a 26th of what rounding to bfloat16 takes away, and of 7.5e-8.
DATA exp2<>+0(SB)/4, $0x3d9fcb52
DATA exp2<>+4(SB)/4, $0x3e677e26
DATA exp2<>+8(SB)/4, $0x3f322226
DATA exp2<>+12(SB)/4, $0x3f7ffb19
DATA exp2<>+16(SB)/4, $0x3af61905
DATA exp2<>+20(SB)/4, $0x3c134806
DATA exp2<>+24(SB)/4, $0x3d64aa23
DATA exp2<>+28(SB)/4, $0x3e75ead4
DATA exp2<>+32(SB)/4, $0x3f31727b
DATA exp2<>+36(SB)/4, $0x3f7fffff
DATA exp2<>+40(SB)/4, $0xff800000 // -∞
DATA exp2<>+44(SB)/4, $0x00008000 // half a last place of a bfloat16,
DATA exp2<>+48(SB)/4, $0xffff0000 // and its bits
DATA exp2<>+52(SB)/4, $0x5f800000 // 2^64
GLOBL exp2<>(SB), RODATA|NOPTR, $56

#define C0 Z31
#define C1 Z30
#define C2 Z29
#define C3 Z28
#define C4 Z27
#define HALFPLACE Z25
#define HIGHBITS Z24
#define SCALE Z23

#define CONSTHALVES \
	VBROADCASTSS exp2<>+4(SB), C2  \
	VBROADCASTSS exp2<>+8(SB), C1  \
	VBROADCASTSS exp2<>+12(SB), C0

#define CONSTSPLIT \
	VBROADCASTSS exp2<>+20(SB), C4 \
	VBROADCASTSS exp2<>+24(SB), C3 \
	VBROADCASTSS exp2<>+28(SB), C2 \
	VBROADCASTSS exp2<>+32(SB), C1 \
	VBROADCASTSS exp2<>+36(SB), C0 \
	VBROADCASTSS exp2<>+44(SB), HALFPLACE \
	VBROADCASTSS exp2<>+48(SB), HIGHBITS

// Z1 and Z2 for Z5 and Z6. Loading the first coefficient leaves the multipliers free.
#define POLYHALVES \
	VBROADCASTSS exp2<>+0(SB), Z1 \
	VBROADCASTSS exp2<>+0(SB), Z2 \
	VFMADD213PS C2, Z5, Z1   \
	VFMADD213PS C2, Z6, Z2   \
	VFMADD213PS C1, Z5, Z1   \
	VFMADD213PS C1, Z6, Z2   \
	VFMADD213PS C0, Z5, Z1   \
	VFMADD213PS C0, Z6, Z2

#define POLYSPLIT \
	VBROADCASTSS exp2<>+16(SB), Z1 \
	VBROADCASTSS exp2<>+16(SB), Z2 \
	VFMADD213PS C4, Z5, Z1   \
	VFMADD213PS C4, Z6, Z2   \
	VFMADD213PS C3, Z5, Z1   \
	VFMADD213PS C3, Z6, Z2   \
	VFMADD213PS C2, Z5, Z1   \
	VFMADD213PS C2, Z6, Z2   \
	VFMADD213PS C1, Z5, Z1   \
	VFMADD213PS C1, Z6, Z2   \
	VFMADD213PS C0, Z5, Z1   \
	VFMADD213PS C0, Z6, Z2

// VCVTNE2PS2BF16, for which the assembler has no name: register o gets the
// bfloat16 of lo (lower half) and hi, all of them Z0-Z7.
#define CVT(o, hi, lo) BYTE $0x62; BYTE $0xF2; BYTE $(8*(15-hi)+7); BYTE $0x48; BYTE $0x72; BYTE $(0xC0+8*o+lo)

// Probabilities Z1 and Z2 to bfloat16 at SI, and the low parts behind.
#define PUTHALVES \
	CVT(0, 2, 1)             \
	VMOVDQU64 Z0, (SI)       \
	ADDQ $64, SI

#define PUTSPLIT \
	VPADDD HALFPLACE, Z1, Z3 \
	VPADDD HALFPLACE, Z2, Z4 \
	VPANDD HIGHBITS, Z3, Z3  \
	VPANDD HIGHBITS, Z4, Z4  \
	VSUBPS Z3, Z1, Z1        \
	VSUBPS Z4, Z2, Z2        \
	CVT(0, 4, 3)             \
	VMOVDQU64 Z0, (SI)       \
	CVT(0, 2, 1)             \
	VMOVDQU64 Z0, 2048(SI)   \
	ADDQ $64, SI

// Four rows of 16 numbers, folded by OP to one quarter each; in every quarter of o
// is one number of each row.
#define FOURROWS(OP, at, o) \
	VMOVUPS (at)(SI), Z0     \
	VMOVUPS (at+64)(SI), Z1  \
	VMOVUPS (at+128)(SI), Z2 \
	VMOVUPS (at+192)(SI), Z3 \
	VUNPCKLPS Z1, Z0, Z4     \
	VUNPCKHPS Z1, Z0, Z5     \
	OP Z5, Z4, Z4            \
	VUNPCKLPS Z3, Z2, Z5     \
	VUNPCKHPS Z3, Z2, Z6     \
	OP Z6, Z5, Z5            \
	VUNPCKLPD Z5, Z4, Z6     \
	VUNPCKHPD Z5, Z4, Z7     \
	OP Z7, Z6, o

// Z0 = the sums, or largest numbers, of 16 rows at SI.
#define FOLDROWS(OP) \
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

// The queries' part of a step, to tiles 4 and 5.
#define QUERIES \
	MOVQ AttendArgs_Q(R8), AX           \
	ADDQ (R11), AX           \
	LEAQ (AX)(R15*1), CX     \
	TILELOAD(4, AX_BX)       \
	TILELOAD(5, CX_BX)

// Its products with the keys' part.
#define KEYS \
	MOVQ 8(R11), DX          \
	ADDQ R10, DX             \
	LEAQ 1024(DX), DI        \
	TILELOAD(6, DX_SI)       \
	TDPBF16PS(0, 4, 6)       \
	TILELOAD(7, DI_SI)       \
	TDPBF16PS(1, 4, 7)       \
	TDPBF16PS(2, 5, 6)       \
	TDPBF16PS(3, 5, 7)

// Tiles 0-3 = 32 queries times the 32 keys at R10. Queries of a single step stay in their
// tiles for all panels of a block.
#define MULTIPLY \
	TILEZERO(0)              \
	TILEZERO(1)              \
	TILEZERO(2)              \
	TILEZERO(3)              \
	MOVQ AttendArgs_Ldq(R8), BX           \
	MOVQ BX, R15             \
	SHLQ $4, R15             \
	MOVQ $64, SI             \
	MOVQ AttendArgs_KSteps(R8), R11         \
	MOVQ AttendArgs_KCount(R8), R13         \
	CMPQ R13, $1             \
	JNE  step                \
	MOVQ multiply-40(SP), AX \
	CMPQ AX, panels-112(SP)  \
	JNE  keys                \
step:                        \
	QUERIES                  \
keys:                        \
	KEYS                     \
	ADDQ $16, R11            \
	DECQ R13                 \
	JNZ  step

// Tiles a and b, 16 and 16 rows, of the sums at AX.
#define SUMS(OP, a, b) \
	OP(a, AX_SI)             \
	LEAQ 2048(AX), CX        \
	OP(b, CX_SI)

// R9 and R10 are columns of values, R14 bytes from there; AX and CX probabilities of 16
// queries each.
#define HIGHS1 \
	TILELOAD(4, AX_BX)       \
	TILELOAD(6, DX_SI)       \
	TDPBF16PS(0, 4, 6)       \
	TILELOAD(5, CX_BX)       \
	TDPBF16PS(1, 5, 6)

#define HIGHS2 \
	TILELOAD(4, AX_BX)       \
	TILELOAD(6, DX_SI)       \
	TDPBF16PS(0, 4, 6)       \
	TILELOAD(7, DI_SI)       \
	TDPBF16PS(2, 4, 7)       \
	TILELOAD(5, CX_BX)       \
	TDPBF16PS(1, 5, 6)       \
	TDPBF16PS(3, 5, 7)

#define HALVES1 \
	LEAQ (R9)(R14*1), DX     \
	HIGHS1

#define HALVES2 \
	LEAQ (R9)(R14*1), DX     \
	LEAQ (R10)(R14*1), DI    \
	HIGHS2

// The products with low parts of values, 16 rows further on, then with high ones, and
// last of low parts of probabilities. Loading a tile takes as much of the core as the
// exponentials of half a row: none is loaded twice.
#define SPLIT1 \
	LEAQ (R9)(R14*1), DX     \
	ADDQ R15, DX             \
	HIGHS1                   \
	SUBQ R15, DX             \
	TILELOAD(7, DX_SI)       \
	TDPBF16PS(0, 4, 7)       \
	TDPBF16PS(1, 5, 7)       \
	ADDQ $2048, AX           \
	ADDQ $2048, CX           \
	TILELOAD(2, AX_BX)       \
	TDPBF16PS(0, 2, 7)       \
	TILELOAD(3, CX_BX)       \
	TDPBF16PS(1, 3, 7)

#define SPLIT2 \
	LEAQ (R9)(R14*1), DX     \
	LEAQ (R10)(R14*1), DI    \
	ADDQ R15, DX             \
	ADDQ R15, DI             \
	HIGHS2                   \
	SUBQ R15, DX             \
	SUBQ R15, DI             \
	TILELOAD(6, DX_SI)       \
	TDPBF16PS(0, 4, 6)       \
	TDPBF16PS(1, 5, 6)       \
	TILELOAD(7, DI_SI)       \
	TDPBF16PS(2, 4, 7)       \
	TDPBF16PS(3, 5, 7)       \
	ADDQ $2048, AX           \
	ADDQ $2048, CX           \
	TILELOAD(4, AX_BX)       \
	TDPBF16PS(0, 4, 6)       \
	TDPBF16PS(2, 4, 7)       \
	TILELOAD(5, CX_BX)       \
	TDPBF16PS(1, 5, 6)       \
	TDPBF16PS(3, 5, 7)

// Where a tile of columns lies, of the values and of the sums; AX is its number.
#define PLACE(values, sums) \
	MOVQ AX, CX              \
	MOVQ AX, DX              \
	SHRQ $1, CX              \
	ANDQ $1, DX              \
	SHLQ $6, DX              \
	MOVQ AX, values          \
	SHLQ $6, values          \
	ADDQ v-16(SP), values    \
	IMULQ AttendArgs_AccPanel(R8), CX        \
	ADDQ AttendArgs_Acc(R8), CX         \
	ADDQ DX, CX              \
	MOVQ CX, sums            \
	INCQ AX

#define EACH1(OP) \
	MOVQ sum1-64(SP), AX     \
	SUMS(OP, 0, 1)
#define EACH2(OP) \
	EACH1(OP)                \
	MOVQ sum2-72(SP), AX     \
	SUMS(OP, 2, 3)
#define ZERO1 \
	TILEZERO(0)              \
	TILEZERO(1)
#define ZERO2 \
	ZERO1                    \
	TILEZERO(2)              \
	TILEZERO(3)

// Adds the products of a block's probabilities and some tiles of columns of values.
#define COLUMNS(EACH, ZEROS, STEP, n, zero, begin, step) \
	CMPQ begun-32(SP), $0    \
	JE   zero                \
	EACH(TILELOAD)           \
	JMP  begin               \
zero:                        \
	ZEROS                    \
begin:                       \
	MOVQ AttendArgs_VSteps(R8), R12         \
	MOVQ AttendArgs_VCount(R8), R13         \
	MOVQ $64, BX             \
	MOVQ AttendArgs_Ldv(R8), SI          \
	MOVQ SI, R15             \
	SHLQ $4, R15             \
step:                        \
	MOVQ AttendArgs_Probs(R8), AX         \
	ADDQ (R12), AX           \
	LEAQ 1024(AX), CX        \
	MOVQ 8(R12), R14         \
	STEP                     \
	ADDQ $16, R12            \
	DECQ R13                 \
	JNZ  step                \
	MOVQ $128, SI            \
	EACH(TILESTORE)          \
	ADDQ $n, column-56(SP)   \
	JMP  columns

// The negative tops of 16 rows become the least of themselves and of minus their
// largest scores, scaled.
#define LOWERTOP(at) \
	FOLDROWS(VMAXPS)         \
	VPXORD Z1, Z1, Z1        \
	VFNMADD231PS SCALE, Z0, Z1 \
	VMINPS (at)(R9), Z1, Z0  \
	VMOVUPS Z0, (at)(R9)

// A row's scores of 32 keys at DI become probabilities, which are added to its sums
// at R14; R9 is its top. Meanwhile a part of the keys after the next is fetched.
#define PROBABILITIES(POLY, PUT, r) \
	PREFETCHT0 (128*r)(DX)   \
	PREFETCHT0 (128*r+64)(DX) \
	VBROADCASTSS (4*r)(R9), Z12 \
	VMOVUPS (128*r)(DI), Z3  \
	VMOVUPS (128*r+64)(DI), Z4 \
	VFMADD213PS Z12, SCALE, Z3 \
	VFMADD213PS Z12, SCALE, Z4 \
	VREDUCEPS $9, Z3, Z5     \
	VREDUCEPS $9, Z4, Z6     \
	POLY                     \
	VSCALEFPS.Z Z3, Z1, K1, Z1 \
	VSCALEFPS.Z Z4, Z2, K2, Z2 \
	VADDPS Z1, Z2, Z10       \
	VADDPS (64*r)(R14), Z10, Z10 \
	VMOVUPS Z10, (64*r)(R14) \
	PUT

// The attention of up to 32 queries; see attendArgs. The scores of the next panel
// of keys are multiplied while the exponentials of one are computed.
#define ATTEND(CONST, POLY, ROW, PUT, ONE, TWO) \
	MOVQ a+0(FP), R8         \
	LEAQ tilecfg<>(SB), AX   \
	LDTILECFG_AX             \
	CONST                    \
	VBROADCASTSS AttendArgs_Scale(R8), SCALE \
	MOVQ AttendArgs_K(R8), AX          \
	MOVQ AX, k-8(SP)         \
	MOVQ AttendArgs_V(R8), AX          \
	MOVQ AX, v-16(SP)        \
	MOVQ AttendArgs_Mode(R8), AX         \
	MOVQ AX, mode-24(SP)     \
	MOVQ AttendArgs_Begun(R8), AX         \
	MOVQ AX, begun-32(SP)    \
	MOVQ $0, AttendArgs_Done(R8)         \
block:                       \ // Of each block of keys. What is done with its panels: products, exponentials of those before, or both.
	MOVQ AttendArgs_Panels(R8), AX          \
	MOVQ AX, panels-112(SP)  \
	MOVQ $1, exps-88(SP)     \
	CMPQ mode-24(SP), $const_TopStays     \
	JE   pass                \
	CMPQ mode-24(SP), $const_TopOfScore     \
	JE   given               \
	MOVQ $0, exps-88(SP)     \
	CMPQ mode-24(SP), $const_TopFound     \
	JNE  pass                \
	MOVQ $1, AX              \
	MOVQ AX, panels-112(SP)  \
	JMP  pass                \
given:                       \ // The scores are there: exponentials alone.
	XORL AX, AX              \
pass:                        \ // One pass over the panels, one more than there are: products run a panel ahead of exponentials.
	MOVQ AX, multiply-40(SP) \
	MOVQ panels-112(SP), AX  \
	INCQ AX                  \
	MOVQ AX, left-48(SP)     \
	MOVQ k-8(SP), R10        \
	MOVQ AttendArgs_Probs(R8), AX         \
	MOVQ AX, probs-96(SP)    \
	VPXORD Z0, Z0, Z0        \
	MOVQ AttendArgs_Sums(R8), R14        \
	MOVQ AttendArgs_Rows(R8), R13        \
clear:                       \ // The sums of the block begin at zero.
	VMOVUPS Z0, (R14)        \
	ADDQ $64, R14            \
	DECQ R13                 \
	JNZ  clear               \
	MOVQ AttendArgs_Scores(R8), R12         \
	SUBQ $4096, R12          \
	MOVQ $4096, further-104(SP) \
	CMPQ mode-24(SP), $const_TopStays     \
	JNE  panel               \
	ADDQ $8192, R12          \
	NEGQ further-104(SP)     \
panel:                       \ // Of each panel: its products begin,
	CMPQ multiply-40(SP), $0 \
	JE   exp                 \
	MULTIPLY                 \
exp:                         \ // and meanwhile the exponentials of the panel before are computed, unless there is none.
	CMPQ exps-88(SP), $0     \
	JE   store               \
	MOVQ left-48(SP), CX     \
	CMPQ CX, AttendArgs_Panels(R8)          \
	JGT  store               \
	MOVL $-1, AX             \
	CMPQ CX, $1              \
	JNE  whole               \
	MOVQ AttendArgs_Last(R8), AX         \
whole:                       \ // K1 and K2: the keys of the panel.
	KMOVW AX, K1             \
	SHRL $16, AX             \
	KMOVW AX, K2             \
	MOVQ R12, DI             \
	MOVQ probs-96(SP), SI    \
	ADDQ $(32*ROW), probs-96(SP) \
	MOVQ AttendArgs_Top(R8), R9         \
	MOVQ AttendArgs_Sums(R8), R14        \
	MOVQ AttendArgs_Rows(R8), R13        \
	MOVQ R10, DX             \
	ADDQ AttendArgs_KPanel(R8), DX          \
row:                         \ // Four queries at a time.
	PROBABILITIES(POLY, PUT, 0) \
	PROBABILITIES(POLY, PUT, 1) \
	PROBABILITIES(POLY, PUT, 2) \
	PROBABILITIES(POLY, PUT, 3) \
	ADDQ $16, R9             \
	ADDQ $256, R14           \
	ADDQ $512, DI            \
	ADDQ $512, DX            \
	SUBQ $4, R13             \
	JGT  row                 \
store:                       \ // The scores of the products go to memory, the next place or the other of two.
	CMPQ multiply-40(SP), $0 \
	JE   next                \
	DECQ multiply-40(SP)     \
	MOVQ $128, SI            \
	MOVQ further-104(SP), AX \
	ADDQ R12, AX             \
	SUMS(TILESTORE, 0, 2)    \
	ADDQ $64, AX             \
	SUMS(TILESTORE, 1, 3)    \
next:                        \ // On to the next panel.
	ADDQ further-104(SP), R12 \
	CMPQ mode-24(SP), $const_TopStays     \
	JNE  after               \
	NEGQ further-104(SP)     \
after:                       \
	ADDQ AttendArgs_KPanel(R8), R10         \
	DECQ left-48(SP)         \
	JNZ  panel               \
	CMPQ exps-88(SP), $0     \
	JNE  check               \
	MOVL $-1, AX             \
	MOVQ panels-112(SP), CX  \
	CMPQ CX, AttendArgs_Panels(R8)          \
	JNE  cut                 \
	MOVQ AttendArgs_Last(R8), AX         \
cut:                         \ // Where the top was looked for: the largest score of every query.
	KMOVW AX, K1             \
	SHRL $16, AX             \
	KMOVW AX, K2             \
	VBROADCASTSS exp2<>+40(SB), Z13 \
	MOVQ AttendArgs_Scores(R8), R12         \
	MOVQ AttendArgs_Sums(R8), R14        \
	MOVQ AttendArgs_Rows(R8), R13        \
toprow:                      \ // Of each query,
	VMOVAPS Z13, Z1          \
	VMOVAPS Z13, Z2          \
	MOVQ R12, DI             \
	MOVQ panels-112(SP), CX  \
	JMP  toppanel            \
topwhole:                    \
	VMAXPS (DI), Z1, Z1      \
	VMAXPS 64(DI), Z2, Z2    \
	ADDQ $4096, DI           \
toppanel:                    \ // over its panels, the last of them by its mask,
	DECQ CX                  \
	JNZ  topwhole            \
	VMAXPS (DI), Z1, K1, Z1  \
	VMAXPS 64(DI), Z2, K2, Z2 \
	VMAXPS Z2, Z1, Z1        \
	VMOVUPS Z1, (R14)        \
	ADDQ $64, R14            \
	ADDQ $128, R12           \
	DECQ R13                 \
	JNZ  toprow              \
	MOVQ AttendArgs_Top(R8), R9         \
	MOVQ AttendArgs_Sums(R8), SI         \
	LOWERTOP(0)              \
	CMPQ AttendArgs_Rows(R8), $16        \
	JLE  lowered             \
	ADDQ $1024, SI           \
	LOWERTOP(64)             \
lowered:                     \ // and the tops are known. What follows is the block again, or its exponentials.
	CMPQ mode-24(SP), $const_TopOnly     \
	JE   end                 \
	MOVQ panels-112(SP), CX  \
	CMPQ CX, AttendArgs_Panels(R8)          \
	JE   known               \
	MOVQ $const_TopStays, mode-24(SP)     \
	JMP  block               \
known:                       \ // All scores are there already.
	MOVQ $const_TopOfScore, mode-24(SP)     \
	MOVQ $1, exps-88(SP)     \
	JMP  given               \
check:                       \ // Sums that are too large end it here, before they are added.
	CMPQ mode-24(SP), $const_TopStays     \
	JNE  add                 \
	MOVQ AttendArgs_Sums(R8), R14        \
	MOVQ AttendArgs_Rows(R8), R13        \
	VPXORD Z0, Z0, Z0        \
	VPBROADCASTD exp2<>+52(SB), Z1 \
most:                        \
	VPMAXUD (R14), Z0, Z0    \
	ADDQ $64, R14            \
	DECQ R13                 \
	JNZ  most                \
	VPCMPUD $6, Z1, Z0, K4   \
	KMOVW K4, AX             \
	TESTQ AX, AX             \
	JNZ  end                 \
add:                         \ // The sums of the block are added to the totals, which begin here if it is the first,
	XORL AX, AX              \
	CMPQ begun-32(SP), $0    \
	JE   total               \
	DECL AX                  \
total:                       \
	KMOVW AX, K3             \
	MOVQ AttendArgs_Sums(R8), R14        \
	MOVQ AttendArgs_Totals(R8), R15        \
	MOVQ AttendArgs_Rows(R8), R13        \
addrow:                      \
	VMOVUPS.Z (R15), K3, Z0  \
	VADDPS (R14), Z0, Z0     \
	VMOVUPS Z0, (R15)        \
	ADDQ $64, R14            \
	ADDQ $64, R15            \
	DECQ R13                 \
	JNZ  addrow              \
	MOVQ $128, SI            \
	MOVQ $0, column-56(SP)   \
columns:                     \ // and p·v to the results, two tiles of columns at a time, then one.
	MOVQ column-56(SP), AX   \
	MOVQ AttendArgs_Tiles(R8), R13        \
	SUBQ AX, R13             \
	JZ   done                \
	PLACE(R9, sum1-64(SP))   \
	PLACE(R10, sum2-72(SP))  \
	CMPQ R13, $1             \
	JE   one                 \
	COLUMNS(EACH2, ZERO2, TWO, 2, zero2, begin2, step2) \
one:                         \
	COLUMNS(EACH1, ZERO1, ONE, 1, zero1, begin1, step1) \
done:                        \ // On to the next block.
	MOVQ $1, begun-32(SP)    \
	MOVQ $const_TopStays, mode-24(SP)     \
	MOVQ AttendArgs_Block(R8), AX          \
	ADDQ AX, k-8(SP)         \
	ADDQ AX, v-16(SP)        \
	INCQ AttendArgs_Done(R8)             \
	MOVQ AttendArgs_Done(R8), AX         \
	CMPQ AX, AttendArgs_Blocks(R8)         \
	JLT  block               \
end:                         \
	TILERELEASE              \
	VZEROUPPER               \
	RET

// func attendHalves(a *attendArgs)
TEXT ·attendHalves(SB), NOSPLIT, $112-8
	ATTEND(CONSTHALVES, POLYHALVES, 64, PUTHALVES, HALVES1, HALVES2)

// func attendSplit(a *attendArgs)
TEXT ·attendSplit(SB), NOSPLIT, $112-8
	ATTEND(CONSTSPLIT, POLYSPLIT, 128, PUTSPLIT, SPLIT1, SPLIT2)

// func foldRows32(dst, rows *float32)
TEXT ·foldRows32(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ rows+8(FP), SI
	FOLDROWS(VADDPS)
	VMOVUPS Z0, (DI)
	ADDQ $1024, SI
	FOLDROWS(VADDPS)
	VMOVUPS Z0, 64(DI)
	VZEROUPPER
	RET
