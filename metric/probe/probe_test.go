package probe

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

// TestProbe: three clouds are told apart, the rare one too, and agreement counts so.
func TestProbe(t *testing.T) {
	s := tensor.NewStream(1)
	draw := func(class int) []float32 {
		v := make([]float32, 8)
		s.Normal(v)
		v[class] += 4
		return v
	}
	trainer := NewTrainer(8, 3)
	for i := range 2000 {
		class := i % 2
		if i%50 == 0 {
			class = 2
		}
		trainer.Add(draw(class), class)
	}
	p, err := trainer.Fit()
	if err != nil {
		t.Fatal(err)
	}
	a := NewAgreement(3)
	for i := range 900 {
		a.Add(i%3, p.Class(draw(i%3)))
	}
	if a.Share() < .93 || a.MeanIoU() < .85 || a.Both[2] < 250 {
		t.Errorf("share %g, mean IoU %g, %+v", a.Share(), a.MeanIoU(), a)
	}
}

func TestTooFew(t *testing.T) {
	trainer := NewTrainer(2, 3)
	trainer.Add([]float32{1, 2}, 1)
	if _, err := trainer.Fit(); err == nil {
		t.Error("one class is told apart")
	}
}

func TestAgreement(t *testing.T) {
	a := NewAgreement(3)
	for _, p := range [][2]int{{0, 0}, {0, 0}, {0, 1}, {1, 1}} {
		a.Add(p[0], p[1])
	}
	if a.Share() != .75 || math.Abs(a.MeanIoU()-7./12) > 1e-12 {
		t.Errorf("%g, %g", a.Share(), a.MeanIoU())
	}
}
