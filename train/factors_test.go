package train

import (
	"fmt"
	"strings"
	"testing"
)

// TestFactors: first stages of every factor of section 4.1 train, KL and VQ, with
// a discriminator.
func TestFactors(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder := t.TempDir()
	pictures(t, folder)
	for levels := 1; levels <= 6; levels++ {
		mult := "model.params.ddconfig.ch_mult=[" + strings.TrimSuffix(strings.Repeat("1,", levels), ",") + "]"
		size := fmt.Sprintf("data.size=%d", max(16, 1<<(levels-1)))
		more := []string{mult, size, "train.steps=1", "data.validation=", "loss.discriminator={weight: 1, channels: 8, layers: 2}", "train.batch_size=1"}
		if err := trainAutoencoder(t, folder, t.TempDir(), more...); err != nil {
			t.Errorf("KL, f = %d: %v", 1<<(levels-1), err)
		}
		if err := trainVQ(t, folder, t.TempDir(), more...); err != nil {
			t.Errorf("VQ, f = %d: %v", 1<<(levels-1), err)
		}
	}
}
