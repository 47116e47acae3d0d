package mask

import (
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

// TestDraw: every mask has a hole and something beside it nearly always, the
// same stream draws the same, and sizes grow with the picture.
func TestDraw(t *testing.T) {
	if testing.Short() {
		t.Skip("draws thousands of masks")
	}
	for k := Narrow; k <= Box; k++ {
		for _, size := range [][2]int{{256, 256}, {64, 64}, {16, 16}, {96, 64}, {1, 1}} {
			w, h := size[0], size[1]
			var covered float64
			const draws = 200
			for i := range draws {
				m := Draw(k, w, h, tensor.NewStream(uint64(i)))
				again := Draw(k, w, h, tensor.NewStream(uint64(i)))
				sum := 0.0
				for j, v := range m {
					if v != 0 && v != 1 || v != again[j] {
						t.Fatalf("%s at %dx%d: number %d is %g and %g", k, w, h, j, v, again[j])
					}
					sum += float64(v)
				}
				covered += sum / float64(w*h) / draws
			}
			if w > 1 && (covered < .03 || covered > .7) {
				t.Errorf("%s at %dx%d covers %.2f on average", k, w, h, covered)
			}
			t.Logf("%s at %dx%d covers %.2f on average", k, w, h, covered)
		}
	}
	var k Kind
	if k.UnmarshalText([]byte("round")) == nil || k.UnmarshalText([]byte("box")) != nil || k != Box {
		t.Error("names")
	}
}
