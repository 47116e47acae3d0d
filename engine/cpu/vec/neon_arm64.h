// Instructions of arm64's vectors (Advanced SIMD) for which Go's assembler has no names,
// as words after the Arm Architecture Reference Manual (DDI 0487, C7.2), and those loads
// and stores that go with them. A register is its number here, 0-31: that of a vector, or
// of a pointer where the comment says so. Operands stand in the manual's order, but the
// destination is last: FSUB4S(n, m, d) is d = n - m. A name ends in its lanes, 4S being
// four float32.

// One operand to d.
#define WORD1(code, n, d) WORD $(code+(n)*32+(d))
// Two operands to d.
#define WORD2(code, n, m, d) WORD $(code+(m)*65536+(n)*32+(d))

#define FADD4S(n, m, d) WORD2(0x4E20D400, n, m, d)
#define FSUB4S(n, m, d) WORD2(0x4EA0D400, n, m, d)
#define FMUL4S(n, m, d) WORD2(0x6E20DC00, n, m, d)
#define FDIV4S(n, m, d) WORD2(0x6E20FC00, n, m, d)
#define FMAX4S(n, m, d) WORD2(0x4E20F400, n, m, d)     // NaN where one of them is
#define FMIN4S(n, m, d) WORD2(0x4EA0F400, n, m, d)
#define FMAXNM4S(n, m, d) WORD2(0x4E20C400, n, m, d)   // passes over NaN
#define FMLA4S(n, m, d) WORD2(0x4E20CC00, n, m, d)     // d += n·m, rounded once
#define FMLS4S(n, m, d) WORD2(0x4EA0CC00, n, m, d)     // d -= n·m
#define FADDP4S(n, m, d) WORD2(0x6E20D400, n, m, d)    // sums of neighbours: n's, then m's
#define FMAXNMV4S(n, d) WORD1(0x6E30C800, n, d)        // the largest lane, to lane 0
#define FNEG4S(n, d) WORD1(0x6EA0F800, n, d)
#define FABS4S(n, d) WORD1(0x4EA0F800, n, d)
#define FSQRT4S(n, d) WORD1(0x6EA1F800, n, d)
#define FRINTN4S(n, d) WORD1(0x4E218800, n, d)         // to the nearest whole number, of two the even one
#define FCVTNS4S(n, d) WORD1(0x4E21A800, n, d)         // the same as int32

// d += n · lane i of m
#define FMLALANE4S(n, m, i, d) WORD $(0x4F801000+((i)%2)*0x200000+((i)/2)*0x800+(m)*65536+(n)*32+(d))

// All ones in the lanes where the comparison holds.
#define FCMGT4S(n, m, d) WORD2(0x6EA0E400, n, m, d)
#define FCMEQ4S(n, m, d) WORD2(0x4E20E400, n, m, d)
#define FPOSITIVE4S(n, d) WORD1(0x4EA0C800, n, d)      // n > 0
#define FNEGATIVE4S(n, d) WORD1(0x4EA0E800, n, d)      // n < 0

#define AND16B(n, m, d) WORD2(0x4E201C00, n, m, d)
#define BIC16B(n, m, d) WORD2(0x4E601C00, n, m, d)     // n without the bits of m
#define EOR16B(n, m, d) WORD2(0x6E201C00, n, m, d)
#define MOV16B(n, d) WORD2(0x4EA01C00, n, n, d)
#define BSL16B(n, m, d) WORD2(0x6E601C00, n, m, d)     // by the bits of d: n where they are set, m elsewhere
#define BIF16B(n, m, d) WORD2(0x6EE01C00, n, m, d)     // n where the bits of m are not set
#define ZERO4S(d) WORD $(0x4F000400+(d))

#define ADD4S(n, m, d) WORD2(0x4EA08400, n, m, d)
#define SHL4S(s, n, d) WORD $(0x4F205400+(s)*65536+(n)*32+(d))
#define USHR4S(s, n, d) WORD $(0x6F400400-(s)*65536+(n)*32+(d))
#define SSHR4S(s, n, d) WORD $(0x4F400400-(s)*65536+(n)*32+(d))

#define DUP4S(n, d) WORD1(0x4E040400, n, d)            // lane 0 to all
#define FIRST4S(n, d) WORD1(0x1E204000, n, d)          // lane 0, and zero in the others
#define ZIP1_4S(n, m, d) WORD2(0x4E803800, n, m, d)    // n0 m0 n1 m1
#define ZIP2_4S(n, m, d) WORD2(0x4E807800, n, m, d)    // n2 m2 n3 m3
#define ZIP1_2D(n, m, d) WORD2(0x4EC03800, n, m, d)    // n0 n1 m0 m1
#define ZIP2_2D(n, m, d) WORD2(0x4EC07800, n, m, d)    // n2 n3 m2 m3
#define ZIP1_8H(n, m, d) WORD2(0x4E403800, n, m, d)    // of numbers of 16 bits: n0 m0 n1 m1 ...

// Two float64.
#define FADD2D(n, m, d) WORD2(0x4E60D400, n, m, d)
#define FMLA2D(n, m, d) WORD2(0x4E60CC00, n, m, d)
#define FADDP2D(n, d) WORD1(0x7E70D800, n, d)          // the sum of both, to lane 0
#define FCVTL2D(n, d) WORD1(0x0E617800, n, d)          // lanes 0 and 1 of 4S
#define FCVTL2_2D(n, d) WORD1(0x4E617800, n, d)        // lanes 2 and 3

// Between float32 and 16 bits: float16, and bfloat16 as the upper half of a float32.
#define FCVTL4S(n, d) WORD1(0x0E217800, n, d)          // of the lower four float16
#define FCVTL2_4S(n, d) WORD1(0x4E217800, n, d)        // of the upper four
#define FCVTN4H(n, d) WORD1(0x0E216800, n, d)          // to the lower four, clearing the others
#define FCVTN2_8H(n, d) WORD1(0x4E216800, n, d)        // to the upper four
#define SHLL4S(n, d) WORD1(0x2E613800, n, d)           // the lower four, moved up by 16 bits
#define SHLL2_4S(n, d) WORD1(0x6E613800, n, d)
#define SHRN4H(n, d) WORD1(0x0F108400, n, d)           // and down
#define SHRN2_8H(n, d) WORD1(0x4F108400, n, d)

// All ones in the lanes of 16 bits where n and m have a bit in common.
#define CMTST8H(n, m, d) WORD2(0x4E608C00, n, m, d)
#define ORR16B(n, m, d) WORD2(0x4EA01C00, n, m, d)

// FEAT_BF16: rounding to bfloat16, and the product of two rows of four with two columns
// of four: d, as [2][2] float32, gains n·mᵀ.
#define BFCVTN4H(n, d) WORD1(0x0EA16800, n, d)
#define BFCVTN2_8H(n, d) WORD1(0x4EA16800, n, d)
#define BFMMLA(n, m, d) WORD2(0x6E40EC00, n, m, d)

// Makes bfloat16 whose exponent is 0 zero, with their sign, as the instruction of amd64
// does and products take them; EXPONENTS readies vectors 6 and 7. 5 is lost.
#define EXPONENTS \
	MOVD $0x7f80, R10  \
	VDUP R10, V6.H8    \
	MOVD $0x8000, R10  \
	VDUP R10, V7.H8

#define NORMALS(v) \
	CMTST8H(v, 6, 5) \
	ORR16B(5, 7, 5)  \
	AND16B(v, 5, v)

// Memory at pointer p. LDQ and STQ: 16 bytes, at a multiple of 16; LDS and STS: one float32
// to lane 0, zero to the others.
#define LDQ(p, at, d) WORD $(0x3DC00000+(at)*64+(p)*32+(d))
#define STQ(p, at, d) WORD $(0x3D800000+(at)*64+(p)*32+(d))
// The same at the sum of two pointers.
#define LDQX(p, q, d) WORD2(0x3CE06800, p, q, d)
#define STQX(p, q, d) WORD2(0x3CA06800, p, q, d)
#define LDSX(p, q, d) WORD2(0xBC606800, p, q, d)
#define STSX(p, q, d) WORD2(0xBC206800, p, q, d)
// The same, and then so many bytes on.
#define LDQON(p, by, d) WORD $(0x3CC00400+(by)*4096+(p)*32+(d))
#define STQON(p, by, d) WORD $(0x3C800400+(by)*4096+(p)*32+(d))
#define LDSON(p, by, d) WORD $(0xBC400400+(by)*4096+(p)*32+(d))
#define STSON(p, by, d) WORD $(0xBC000400+(by)*4096+(p)*32+(d))
// Two vectors that lie side by side.
#define LDPQ(p, at, d, e) WORD $(0xAD400000+(at)*2048+(e)*1024+(p)*32+(d))
#define STPQ(p, at, d, e) WORD $(0xAD000000+(at)*2048+(e)*1024+(p)*32+(d))
#define LDPQON(p, by, d, e) WORD $(0xACC00000+(by)*2048+(e)*1024+(p)*32+(d))
#define STPQON(p, by, d, e) WORD $(0xAC800000+(by)*2048+(e)*1024+(p)*32+(d))
// One float32 to all lanes.
#define LDALL4S(p, d) WORD $(0x4D40C800+(p)*32+(d))
