package isa

import "golang.org/x/sys/unix"

// hasBF16 asks the kernel, which says what all processors of the machine have.
// golang.org/x/sys/cpu knows FEAT_I8MM, but not FEAT_BF16.
func hasBF16() bool {
	const (
		hwcap2 = 26      // AT_HWCAP2 of the auxiliary vector
		bf16   = 1 << 14 // HWCAP2_BF16
	)
	vector, err := unix.Auxv()
	if err != nil {
		return false
	}
	for _, entry := range vector {
		if entry[0] == hwcap2 {
			return entry[1]&bf16 != 0
		}
	}
	return false
}
