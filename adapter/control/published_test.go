package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/unet"
)

// TestPublished: the parameters for Stable Diffusion v1 are those of the published
// ControlNets, where their list is at hand.
func TestPublished(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(golden.Folder(t), "..", "real", "keys", "components", "ControlNet-v1-SD.txt"))
	if err != nil {
		t.Skip("no published list of keys: ", err)
	}
	u := unet.Default()
	u.InChannels, u.OutChannels, u.ModelChannels, u.NumResBlocks = 4, 4, 320, 2
	u.ChannelMult, u.AttentionResolutions, u.NumHeads = []int{1, 2, 4, 4}, []int{4, 2, 1}, 8
	u.UseSpatialTransformer, u.ContextDim, u.TransformerDepth, u.Legacy = true, 768, 1, new(bool)
	params, err := Params(unet.Control{Config: u, Hint: []int{16, 32, 96, 256}})
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	for _, p := range params {
		ours[p.Name] = true
	}
	n := 0
	for line := range strings.Lines(string(raw)) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if n++; !ours[name] {
			t.Errorf("%s is not built", name)
		}
	}
	if n != len(params) {
		t.Errorf("%d tensors, the list has %d", len(params), n)
	}
}
