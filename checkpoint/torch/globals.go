package torch

import (
	"fmt"
	"strings"
)

// kind is what a name in a pickle stands for.
type kind int

const (
	kindOpaque kind = iota
	kindDict
	kindSize
	kindTensor
	kindParameter
	kindStorage
)

// global is a name that a pickle imports; it stands for itself only.
type global struct {
	name  string
	kind  kind
	dtype string // of a storage
}

// known lists, beside opaqueNames, every name that means something.
var known = map[string]global{
	"collections.OrderedDict":                    {kind: kindDict},
	"builtins.dict":                              {kind: kindDict},
	"__builtin__.dict":                           {kind: kindDict},
	"torch.Size":                                 {kind: kindSize},
	"torch._utils._rebuild_tensor":               {kind: kindTensor},
	"torch._utils._rebuild_tensor_v2":            {kind: kindTensor},
	"torch._utils._rebuild_parameter":            {kind: kindParameter},
	"torch._utils._rebuild_parameter_with_state": {kind: kindParameter},
	"torch.FloatStorage":                         {kind: kindStorage, dtype: "F32"},
	"torch.HalfStorage":                          {kind: kindStorage, dtype: "F16"},
	"torch.BFloat16Storage":                      {kind: kindStorage, dtype: "BF16"},
	"torch.DoubleStorage":                        {kind: kindStorage, dtype: "F64"},
	"torch.LongStorage":                          {kind: kindStorage, dtype: "I64"},
	"torch.IntStorage":                           {kind: kindStorage, dtype: "I32"},
	"torch.ShortStorage":                         {kind: kindStorage, dtype: "I16"},
	"torch.CharStorage":                          {kind: kindStorage, dtype: "I8"},
	"torch.ByteStorage":                          {kind: kindStorage, dtype: "U8"},
	"torch.BoolStorage":                          {kind: kindStorage, dtype: "BOOL"},
	"torch.storage.UntypedStorage":               {kind: kindStorage, dtype: "U8"},
}

// opaqueNames are those of values that checkpoints hold beside their tensors:
// they are read past, whatever is done with them.
var opaqueNames = words(`
	argparse.Namespace typing.Any _codecs.encode
	collections.Counter collections.defaultdict collections.deque
	numpy.dtype numpy.ndarray
	numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct
	numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct
	torch.device torch.float16 torch.half torch.bfloat16 torch.float32 torch.float
	torch.float64 torch.double torch.int8 torch.uint8 torch.int16 torch.short
	torch.int32 torch.int torch.int64 torch.long torch.bool`)

// opaqueTypes are the types of the module builtins (__builtin__ of Python 2)
// that only hold values.
var opaqueTypes = words(`set frozenset list tuple int long float complex bool str unicode bytes bytearray slice`)

// opaqueModules are packages of callbacks, states and configurations.
var opaqueModules = []string{"pytorch_lightning", "lightning", "omegaconf"}

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

// lookUp finds a name in the lists.
func lookUp(module, name string) (global, error) {
	full := module + "." + name
	if g, ok := known[full]; ok {
		g.name = full
		return g, nil
	}
	ok := opaqueNames[full]
	if module == "builtins" || module == "__builtin__" {
		ok = opaqueTypes[name]
	}
	for _, m := range opaqueModules {
		ok = ok || module == m || strings.HasPrefix(module, m+".")
	}
	if !ok {
		return global{}, fmt.Errorf("the pickle names %s, which is not on the list of what a checkpoint may hold; nothing was executed", plain(full))
	}
	return global{name: full}, nil
}
