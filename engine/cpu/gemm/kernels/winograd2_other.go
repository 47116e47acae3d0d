//go:build !amd64

package kernels

// winograd2 are the transforms of F(2x2,3x3) in a kernel's instruction set.
func winograd2(Kernel) *winogradKernel { return &winograd2Portable }
