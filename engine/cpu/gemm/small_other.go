//go:build !amd64

package gemm

import "github.com/ldm-go/ldm/engine/cpu/isa"

// transposeEight is not reached: there is no level above portable here.
func transposeEight([]float32, int, []float32, int) {}

func turnersFor(isa.Level) (high, low turner) { return turnPortable, turnLowPortable }

func attenderFor(_ isa.Level, split bool) attender { return portableAttender(split) }
