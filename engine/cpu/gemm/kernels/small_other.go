//go:build !amd64 && !arm64

package kernels

import "github.com/ldm-go/ldm/engine/cpu/isa"

// TransposeEight is not reached: there is no level above portable here.
func TransposeEight([]float32, int, []float32, int) {}

func TurnersFor(isa.Level) (high, low Turner) { return turnPortable, turnLowPortable }

func AttenderFor(_ isa.Level, split bool) Attender { return portableAttender(split) }
