package kernels

//go:noescape
func wino2In512(a *WinoInArgs)

//go:noescape
func wino2Filter512(a *WinoFilterArgs)

//go:noescape
func wino2Out512(a *WinoOutArgs)

//go:noescape
func wino2Grad512(a *WinoInArgs)

//go:noescape
func wino2FilterGrad512(a *WinoFilterArgs)

//go:noescape
func wino2In256(a *WinoInArgs)

//go:noescape
func wino2Filter256(a *WinoFilterArgs)

//go:noescape
func wino2Out256(a *WinoOutArgs)

//go:noescape
func wino2Grad256(a *WinoInArgs)

//go:noescape
func wino2FilterGrad256(a *WinoFilterArgs)

// winograd2 are the transforms of F(2x2,3x3) in a kernel's instruction set.
func winograd2(k Kernel) *winogradKernel {
	switch k.Name {
	case "avx512":
		return &winogradKernel{
			Input:      wino2In512,
			Filter:     wino2Filter512,
			Output:     wino2Out512,
			Grad:       wino2Grad512,
			FilterGrad: wino2FilterGrad512,
			Lanes:      1,
		}
	case "avx2":
		return &winogradKernel{
			Input:      wino2In256,
			Filter:     wino2Filter256,
			Output:     wino2Out256,
			Grad:       wino2Grad256,
			FilterGrad: wino2FilterGrad256,
			Lanes:      8,
		}
	}
	return &winograd2Portable
}
