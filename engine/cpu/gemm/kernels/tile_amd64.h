// The tile instructions, for which the assembler has no names: these are their bytes.
#define LDTILECFG_AX BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define TILERELEASE BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0
#define TILEZERO(r) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0+8*r)
#define TILELOAD(r, at) BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(8*r+4); BYTE $at
// For what is not met again soon, and would drive other things from the first-level cache:
#define TILELOADT1(r, at) BYTE $0xC4; BYTE $0xE2; BYTE $0x79; BYTE $0x4B; BYTE $(8*r+4); BYTE $at
#define TILESTORE(r, at) BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(8*r+4); BYTE $at

// Where a tile lies: its first row, and the distance of rows.
#define AX_BX 0x18
#define CX_BX 0x19
#define AX_SI 0x30
#define CX_SI 0x31
#define DX_SI 0x32
#define DI_SI 0x37

// tile c += tile a · tile b
#define TDPBF16PS(c, a, b) BYTE $0xC4; BYTE $0xE2; BYTE $(8*(15-b)+2); BYTE $0x5C; BYTE $(0xC0+8*c+a)

// Eight tiles of 16 rows of 64 bytes.
DATA tilecfg<>+0(SB)/8, $1
DATA tilecfg<>+8(SB)/8, $0
DATA tilecfg<>+16(SB)/8, $0x0040004000400040
DATA tilecfg<>+24(SB)/8, $0x0040004000400040
DATA tilecfg<>+32(SB)/8, $0
DATA tilecfg<>+40(SB)/8, $0
DATA tilecfg<>+48(SB)/8, $0x1010101010101010
DATA tilecfg<>+56(SB)/8, $0
GLOBL tilecfg<>(SB), RODATA|NOPTR, $64
