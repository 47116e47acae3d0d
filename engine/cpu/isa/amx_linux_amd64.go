package isa

import "syscall"

// permitAMX asks the kernel for the right to use the tile registers. The right
// belongs to the process: threads made later have it too.
func permitAMX() bool {
	const (
		sysArchPrctl    = 158
		archReqXcompPer = 0x1023
		xfeatureTile    = 18
	)
	_, _, errno := syscall.RawSyscall(sysArchPrctl, archReqXcompPer, xfeatureTile, 0)
	return errno == 0
}
