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
