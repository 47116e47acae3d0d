// Sums and maxima over arrays, and operations on rows of channels; see kernels_amd64.h.

#define CLEAR4 \
	VXORPS V0, V0, V0 \
	VXORPS V1, V1, V1 \
	VXORPS V2, V2, V2 \
	VXORPS V3, V3, V3

// Runs STEP over the CX numbers at SI (and DX): into V0-V3 in turn while there
// are four vectors, then into V0. TRIM is what the last, incomplete vector needs.
#define FOLD(STEP, TRIM) \
four:                         \
	CMPQ CX, $(4*LANES)       \
	JLT  one                  \
	STEP(0, V0, FULL, WHOLE)  \
	STEP(BYTES, V1, FULL, WHOLE) \
	STEP(2*BYTES, V2, FULL, WHOLE) \
	STEP(3*BYTES, V3, FULL, WHOLE) \
	ADDQ $(4*BYTES), SI       \
	ADDQ $(4*BYTES), DX       \
	SUBQ $(4*LANES), CX       \
	JMP  four                 \
one:                          \
	CMPQ CX, $LANES           \
	JLT  tail                 \
	STEP(0, V0, FULL, WHOLE)  \
	ADDQ $BYTES, SI           \
	ADDQ $BYTES, DX           \
	SUBQ $LANES, CX           \
	JMP  one                  \
tail:                         \
	TESTQ CX, CX              \
	JZ    end                 \
	TAILMASK                  \
	STEP(0, V0, PART, TRIM)   \
end:

#define SUMSTEP(at, acc, LD, TRIM) \
	LD((at)(SI), V4)     \
	VADDPS V4, acc, acc

#define DOTSTEP(at, acc, LD, TRIM) \
	LD((at)(SI), V4)     \
	LD((at)(DX), V5)     \
	VFMADD231PS V4, V5, acc

#define DEVIATIONSTEP(at, acc, LD, TRIM) \
	LD((at)(SI), V4)     \
	VSUBPS V12, V4, V4   \
	TRIM(V4)             \
	VFMADD231PS V4, V4, acc

#define SQUARESTEP(at, acc, LD, TRIM) \
	LD((at)(SI), V4)     \
	WIDEN                \
	VFMADD231PD V5, V5, acc \
	VFMADD231PD V4, V4, acc

#define MAXSTEP(at, acc, LD, TRIM) \
	LD((at)(SI), V4)     \
	TRIM(V4)             \
	VMAXPS V4, acc, acc

// The sum of the lanes of V0 to X0.
#define SUMLANES \
	HALVE(VADDPS)      \
	VHADDPS X0, X0, X0 \
	VHADDPS X0, X0, X0

// The sum of V0-V3 over all lanes to X0.
#define SUM4 \
	VADDPS V1, V0, V0 \
	VADDPS V3, V2, V2 \
	VADDPS V2, V0, V0 \
	SUMLANES

#define KEEPMAX(r) KEEP(V0, r)

// The largest lane of V0-V3 to X0.
#define MAX4 \
	VMAXPS V1, V0, V0         \
	VMAXPS V3, V2, V2         \
	VMAXPS V2, V0, V0         \
	HALVE(VMAXPS)             \
	VPERMILPS $0x4e, X0, X1   \
	VMAXPS X1, X0, X0         \
	VPERMILPS $0xb1, X0, X1   \
	VMAXPS X1, X0, X0

// The sum of the float64 of V0-V3 to X0.
#define SQUARES4 \
	VADDPD V1, V0, V0 \
	VADDPD V3, V2, V2 \
	VADDPD V2, V0, V0 \
	HALVE64           \
	VHADDPD X0, X0, X0

// The arguments of row operations; see rowArgs. AX is the length of a row in
// bytes, R8 that of three rows; the mask is that of a row's last lanes.
#define ROWARGS \
	MOVQ a+0(FP), R8     \
	MOVQ rowArgs_c(R8), CX       \
	ANDQ $(LANES-1), CX  \
	TAILMASK             \
	MOVQ rowArgs_rows(R8), R9       \
	MOVQ rowArgs_c(R8), AX       \
	SHLQ $2, AX          \
	MOVQ rowArgs_x(R8), SI      \
	MOVQ rowArgs_y(R8), DI      \
	MOVQ rowArgs_d(R8), DX      \
	MOVQ rowArgs_p0(R8), R10     \
	MOVQ rowArgs_p1(R8), R11     \
	MOVQ rowArgs_p2(R8), R12     \
	MOVQ rowArgs_p3(R8), R13     \
	MOVQ rowArgs_p4(R8), R15     \
	MOVQ rowArgs_p5(R8), R14     \
	LEAQ (AX)(AX*2), R8

// Brings a part of the four rows behind these into the second-level cache, as much as
// STEP4 reads; R13 is lost.
#define AHEAD \
	LEAQ (BX)(BX*2), R13  \
	LEAQ (R13)(AX*4), R13 \
	FETCH4((SI)(R13*1))

// A vector of channels of one row, and of four: what belongs to the channels is
// loaded before and stored behind.
#define STEP1(PRE, ROW, POST, LD, ST) \
	PRE(LD)                       \
	ROW(LD, ST, (SI), (DI), (DX)) \
	POST(ST)

#define STEP4(PRE, ROW, POST, LD, ST) \
	AHEAD                         \
	PRE(LD)                       \
	ROW(LD, ST, (SI), (DI), (DX)) \
	ROW(LD, ST, (SI)(AX*1), (DI)(AX*1), (DX)(AX*1)) \
	ROW(LD, ST, (SI)(AX*2), (DI)(AX*2), (DX)(AX*2)) \
	ROW(LD, ST, (SI)(R8*1), (DI)(R8*1), (DX)(R8*1)) \
	POST(ST)

#define ADVANCE \
	ADDQ $BYTES, SI \
	ADDQ $BYTES, DI \
	ADDQ $BYTES, DX \
	MOVQ CX, BX

// Runs through all rows one after the other. BX counts the bytes of a row's channels
// done.
#define ROWS(PRE, ROW, POST) \
one:                       \
	TESTQ R9, R9           \
	JZ   end               \
	XORQ BX, BX            \
lane:                      \
	LEAQ BYTES(BX), CX     \
	CMPQ CX, AX            \
	JGT  tail              \
	STEP1(PRE, ROW, POST, FULL, FULLST) \
	ADVANCE                \
	JMP  lane              \
tail:                      \
	CMPQ BX, AX            \
	JEQ  next              \
	STEP1(PRE, ROW, POST, PART, PARTST) \
next:                      \
	SUBQ BX, SI            \
	SUBQ BX, DI            \
	SUBQ BX, DX            \
	ADDQ AX, SI            \
	ADDQ AX, DI            \
	ADDQ AX, DX            \
	DECQ R9                \
	JMP  one               \
end:                       \
	VZEROUPPER             \
	RET

// Runs through rows that are only read, four at a time while there are four, so that
// the channels' sums are loaded and stored once for them; sums are in the order of
// rows all the same. Memory is slow where it is not read in its own order: that is
// the order of AHEAD. (With results to be written too, one row at a time is faster.)
#define SUMROWS(PRE, ROW, POST) \
four:                      \
	CMPQ R9, $4            \
	JLT  one               \
	XORQ BX, BX            \
lane4:                     \
	LEAQ BYTES(BX), CX     \
	CMPQ CX, AX            \
	JGT  tail4             \
	STEP4(PRE, ROW, POST, FULL, FULLST) \
	ADVANCE                \
	JMP  lane4             \
tail4:                     \
	CMPQ BX, AX            \
	JEQ  next4             \
	STEP4(PRE, ROW, POST, PART, PARTST) \
next4:                     \
	SUBQ BX, SI            \
	SUBQ BX, DI            \
	SUBQ BX, DX            \
	LEAQ (SI)(AX*4), SI    \
	LEAQ (DI)(AX*4), DI    \
	LEAQ (DX)(AX*4), DX    \
	SUBQ $4, R9            \
	JMP  four              \
	ROWS(PRE, ROW, POST)

#define AFFINEPRE(LD) \
	LD((R10)(BX*1), V4) \
	LD((R11)(BX*1), V5) \
	LD((R12)(BX*1), V6)

// y = (x-p2)·p0 + p1
#define AFFINEROW(LD, ST, x, y, d) \
	LD(x, V0)              \
	VSUBPS V6, V0, V0      \
	VFMADD213PS V5, V4, V0 \
	ST(V0, y)

// y = SiLU((x-p2)·p0 + p1)
#define AFFINESILUROW(LD, ST, x, y, d) \
	LD(x, V0)              \
	VSUBPS V6, V0, V0      \
	VFMADD213PS V5, V4, V0 \
	SILU(V0, V1)           \
	ST(V1, y)

#define MOMENTSPRE(LD) \
	LD((R10)(BX*1), V4) \
	LD((R11)(BX*1), V5) \
	LD((R12)(BX*1), V6)

#define MOMENTSPOST(ST) \
	ST(V5, (R11)(BX*1)) \
	ST(V6, (R12)(BX*1))

// p1 += x-p0, p2 += (x-p0)²
#define MOMENTSROW(LD, ST, x, y, d) \
	LD(x, V0)             \
	VSUBPS V4, V0, V0     \
	VADDPS V0, V5, V5     \
	VFMADD231PS V0, V0, V6

#define SUMPRE(LD) LD((R10)(BX*1), V5)
#define SUMPOST(ST) ST(V5, (R10)(BX*1))

// p0 += x
#define SUMROW(LD, ST, x, y, d) \
	LD(x, V0)             \
	VADDPS V0, V5, V5

#define NORMPRE(LD) \
	LD((R13)(BX*1), V4) \
	LD((R12)(BX*1), V7) \
	LD((R15)(BX*1), V5) \
	LD((R14)(BX*1), V6)

#define NORMPOST(ST) \
	ST(V5, (R15)(BX*1)) \
	ST(V6, (R14)(BX*1))

// y = d, p4 += d, p5 += d·(x-p3)·p2
#define NORMROW(LD, ST, x, y, d) \
	LD(x, V0)             \
	VSUBPS V4, V0, V0     \
	LD(d, V1)             \
	ST(V1, y)             \
	VMULPS V7, V0, V3     \
	VADDPS V1, V5, V5     \
	VFMADD231PS V1, V3, V6

#define NORMSILUPRE(LD) \
	NORMPRE(LD)          \
	LD((R10)(BX*1), V2)  \
	LD((R11)(BX*1), V10)

// The same with y = d·SiLU'((x-p3)·p0 + p1) in the place of d
#define NORMSILUROW(LD, ST, x, y, d) \
	LD(x, V0)               \
	VSUBPS V4, V0, V0       \
	LD(d, V1)               \
	VMOVAPS V2, V3          \
	VFMADD213PS V10, V0, V3 \
	SILUGRAD(V3, V1, V12)   \
	ST(V12, y)              \
	VMULPS V7, V0, V3       \
	VADDPS V12, V5, V5      \
	VFMADD231PS V12, V3, V6

#define COMBINEPRE(LD) \
	LD((R10)(BX*1), V4) \
	LD((R11)(BX*1), V5) \
	LD((R12)(BX*1), V6) \
	LD((R13)(BX*1), V7)

// y = y·p0 + (x-p3)·p1 + p2
#define COMBINEROW(LD, ST, x, y, d) \
	LD(y, V0)              \
	VFMADD213PS V6, V4, V0 \
	LD(x, V1)              \
	VSUBPS V7, V1, V1      \
	VFMADD231PS V5, V1, V0 \
	ST(V0, y)
