// Transposition of 16x16 words in registers.

#define PAIR32(a, b, lo, hi) \
	VPUNPCKLDQ b, a, lo \
	VPUNPCKHDQ b, a, hi

#define PAIR64(a, b, lo, hi) \
	VPUNPCKLQDQ b, a, lo \
	VPUNPCKHQDQ b, a, hi

// Four registers holding rows r, r+4, r+8, r+12 in their 128-bit quarters.
#define QUARTERS(a, b, c, d, t0, t1, t2, t3, o0, o1, o2, o3) \
	VSHUFI32X4 $0x88, b, a, t0   \
	VSHUFI32X4 $0xdd, b, a, t1   \
	VSHUFI32X4 $0x88, d, c, t2   \
	VSHUFI32X4 $0xdd, d, c, t3   \
	VSHUFI32X4 $0x88, t2, t0, o0 \
	VSHUFI32X4 $0x88, t3, t1, o1 \
	VSHUFI32X4 $0xdd, t2, t0, o2 \
	VSHUFI32X4 $0xdd, t3, t1, o3

// The rows in Z0-Z15. After the pairs, Zr (r = 0…3) has columns r, r+4, r+8, r+12 of
// rows 0-3, Z4-Z7 those of rows 4-7, and so on. Columns 0, 4, 8, 12 end in Z20-Z23,
// 1, 5, … in Z24-Z27, 2, 6, … in Z28-Z31 and 3, 7, … in Z0, Z4, Z8, Z12.
#define TRANSPOSE16 \
	PAIR32(Z0, Z1, Z16, Z17) \
	PAIR32(Z2, Z3, Z18, Z19) \
	PAIR32(Z4, Z5, Z20, Z21) \
	PAIR32(Z6, Z7, Z22, Z23) \
	PAIR32(Z8, Z9, Z24, Z25) \
	PAIR32(Z10, Z11, Z26, Z27) \
	PAIR32(Z12, Z13, Z28, Z29) \
	PAIR32(Z14, Z15, Z30, Z31) \
	PAIR64(Z16, Z18, Z0, Z1) \
	PAIR64(Z17, Z19, Z2, Z3) \
	PAIR64(Z20, Z22, Z4, Z5) \
	PAIR64(Z21, Z23, Z6, Z7) \
	PAIR64(Z24, Z26, Z8, Z9) \
	PAIR64(Z25, Z27, Z10, Z11) \
	PAIR64(Z28, Z30, Z12, Z13) \
	PAIR64(Z29, Z31, Z14, Z15) \
	QUARTERS(Z0, Z4, Z8, Z12, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23) \
	QUARTERS(Z1, Z5, Z9, Z13, Z16, Z17, Z18, Z19, Z24, Z25, Z26, Z27) \
	QUARTERS(Z2, Z6, Z10, Z14, Z16, Z17, Z18, Z19, Z28, Z29, Z30, Z31) \
	QUARTERS(Z3, Z7, Z11, Z15, Z16, Z17, Z18, Z19, Z0, Z4, Z8, Z12)

// Stores a transposed column to R9, as far as K1 goes, and goes on to the next (R10).
#define COLUMN(z) \
	VMOVUPS z, K1, (R9)  \
	ADDQ    R10, R9

// Stores what a row of 16 columns of sums became, and goes on to the next row, if there
// are more (DX).
#define PUT_ROW \
	MOVQ DI, R9 \
	COLUMN(Z20) \
	COLUMN(Z24) \
	COLUMN(Z28) \
	COLUMN(Z0)  \
	COLUMN(Z21) \
	COLUMN(Z25) \
	COLUMN(Z29) \
	COLUMN(Z4)  \
	COLUMN(Z22) \
	COLUMN(Z26) \
	COLUMN(Z30) \
	COLUMN(Z8)  \
	COLUMN(Z23) \
	COLUMN(Z27) \
	COLUMN(Z31) \
	COLUMN(Z12) \
	ADDQ $128, SI \
	ADDQ R11, DI \
	DECQ DX      \
	JNZ  row     \
	VZEROUPPER   \
	RET
