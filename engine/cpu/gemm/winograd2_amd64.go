package gemm

//go:noescape
func wino2In512(a *winoInArgs)

//go:noescape
func wino2Filter512(a *winoFilterArgs)

//go:noescape
func wino2Out512(a *winoOutArgs)

//go:noescape
func wino2Grad512(a *winoInArgs)

//go:noescape
func wino2FilterGrad512(a *winoFilterArgs)

//go:noescape
func wino2In256(a *winoInArgs)

//go:noescape
func wino2Filter256(a *winoFilterArgs)

//go:noescape
func wino2Out256(a *winoOutArgs)

//go:noescape
func wino2Grad256(a *winoInArgs)

//go:noescape
func wino2FilterGrad256(a *winoFilterArgs)

// winograd2 are the transforms of F(2x2,3x3) in a kernel's instruction set.
func winograd2(k kernel) *winogradKernel {
	switch k.name {
	case "avx512":
		return &winogradKernel{wino2In512, wino2Filter512, wino2Out512, wino2Grad512, wino2FilterGrad512, 1}
	case "avx2":
		return &winogradKernel{wino2In256, wino2Filter256, wino2Out256, wino2Grad256, wino2FilterGrad256, 8}
	}
	return &winograd2Portable
}
