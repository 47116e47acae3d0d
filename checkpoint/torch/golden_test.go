package torch_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/checkpoint/torch"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/tensor"
)

var dtypes = map[string]string{
	"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64",
	"int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}

var widths = map[string]int{"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

// number decodes an element as the tests' own reading of the formats.
func number(raw []byte, dtype string) float64 {
	le := binary.LittleEndian
	switch dtype {
	case "F32":
		return float64(math.Float32frombits(le.Uint32(raw)))
	case "F16":
		return float64(tensor.FromFloat16(le.Uint16(raw)))
	case "BF16":
		return float64(tensor.FromBFloat16(le.Uint16(raw)))
	case "F64":
		return math.Float64frombits(le.Uint64(raw))
	case "I64":
		return float64(int64(le.Uint64(raw)))
	case "I32":
		return float64(int32(le.Uint32(raw)))
	case "I16":
		return float64(int16(le.Uint16(raw)))
	case "I8":
		return float64(int8(raw[0]))
	}
	return float64(raw[0])
}

// values gathers a tensor in row-major order.
func values(data []byte, x torch.Tensor) []float64 {
	total := 1
	for _, n := range x.Shape {
		total *= n
	}
	width := widths[x.DType]
	out := make([]float64, total)
	for i := range out {
		at, rest := 0, i
		for d := len(x.Shape) - 1; d >= 0; d-- {
			at += rest % x.Shape[d] * x.Strides[d]
			rest /= x.Shape[d]
		}
		out[i] = number(data[int(x.Offset)+at*width:x.Limit], x.DType)
	}
	return out
}

type stored struct {
	DType string    `json:"dtype"`
	Shape []int     `json:"shape"`
	Sum   float64   `json:"sum"`
	First []float64 `json:"first"`
}

func near(a, b, scale float64) bool { return math.Abs(a-b) <= 1e-8*(scale+math.Abs(b)) }

func TestGoldenCheckpoints(t *testing.T) {
	for _, manifest := range golden.Cases(t, "checkpoints") {
		t.Run(manifest.Base(), func(t *testing.T) {
			var c struct {
				File     string            `json:"file"`
				Contents map[string]stored `json:"contents"`
			}
			if err := json.Unmarshal(manifest.Raw, &c); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(manifest.Path(t, c.File))
			if err != nil {
				t.Fatal(err)
			}
			tensors, scalars, err := index(data)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d tensors, scalars %v", len(tensors), scalars)
			if len(tensors) != len(c.Contents) {
				t.Errorf("%d tensors, the reference has %d", len(tensors), len(c.Contents))
			}
			for _, x := range tensors {
				compare(t, x, values(data, x), c.Contents[x.Name])
			}
			if strings.HasPrefix(c.File, "dtypes") {
				compareFully(t, data, tensors, manifest.Path(t, manifest.Base()+".safetensors"))
			}
		})
	}
}

func compare(t *testing.T, x torch.Tensor, got []float64, want stored) {
	t.Helper()
	if x.DType != dtypes[want.DType] || !slices.Equal(x.Shape, want.Shape) {
		t.Errorf("%+v, want %+v", x, want)
		return
	}
	var sum, scale float64
	for _, v := range got {
		sum += v
		scale += math.Abs(v)
	}
	if !near(sum, want.Sum, scale) {
		t.Errorf("%s: sum %g, want %g", x.Name, sum, want.Sum)
	}
	for i, v := range want.First {
		if !near(got[i], v, 0) {
			t.Errorf("%s: element %d is %g, want %g", x.Name, i, got[i], v)
		}
	}
}

// compareFully compares every element with the reference's own copy.
func compareFully(t *testing.T, data []byte, tensors []torch.Tensor, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 8 + int64(binary.LittleEndian.Uint64(raw))
	var header map[string]struct {
		DType   string   `json:"dtype"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(raw[8:n], &header); err != nil {
		t.Fatal(err)
	}
	for _, x := range tensors {
		want, ok := header[x.Name]
		if !ok {
			t.Errorf("%s is not in %s", x.Name, path)
			continue
		}
		body := raw[n+want.Offsets[0] : n+want.Offsets[1]]
		for i, v := range values(data, x) {
			if w := number(body[i*widths[want.DType]:], want.DType); v != w {
				t.Errorf("%s: element %d is %g, want %g", x.Name, i, v, w)
			}
		}
	}
}

func TestGoldenBad(t *testing.T) {
	for _, path := range golden.Files(t, "bad/*.ckpt") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, _, err = index(data)
		spent := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasPrefix(err.Error(), "file.ckpt: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", filepath.Base(path), err)
		}
		allocated := (after.TotalAlloc - before.TotalAlloc) >> 10
		if allocated > 64<<10 || spent > 5*time.Second {
			t.Errorf("%s: %d KiB, %v", filepath.Base(path), allocated, spent)
		}
		t.Logf("%s: %d KiB, %v: %v", filepath.Base(path), allocated, spent, err)
	}
}
