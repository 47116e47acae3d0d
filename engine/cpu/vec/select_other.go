//go:build !amd64 && !arm64

package vec

import "github.com/ldm-go/ldm/engine/cpu/isa"

func kernelsOf(isa.Level) kernels { return portable }
