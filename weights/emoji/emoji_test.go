package emoji_test

import (
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/weights/emoji"
)

// recorded are the digests of the pixels of TestRecordedPictures by the
// instructions in use.
var recorded = map[isa.Level]string{
	isa.Portable:   "adce0b258efb9116a8db1956862c497f9b409ad9a270ddb9fc47a634c8e4b0e9",
	isa.AVX2:       "9252c2d0d13d00b57bd787bab5ba8da2698cb99a2051b1c1935c40faf55c58de",
	isa.AVX512:     "db6607f94ec42d2653d389a03d8e290e5abfb964043ce06b0ddfbe45f9bcf3c7",
	isa.AVX512BF16: "db6607f94ec42d2653d389a03d8e290e5abfb964043ce06b0ddfbe45f9bcf3c7",
	isa.AMX:        "6a6c37aba14acb6cf9e42cf171433ef977b03721dab5ef50da0911142f7eb6fa",
}

// TestRecordedPictures: the same seeds give the same pixels as they always did.
func TestRecordedPictures(t *testing.T) {
	want := recorded[isa.Current()]
	if runtime.GOARCH != "amd64" {
		t.Skip("digests are recorded for amd64: other compilers may fuse a multiplication and an addition")
	}
	m, err := emoji.Load(ldm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	out, err := m.Generate(t.Context(), ldm.Request{Condition: ldm.Prompt("a red apple"), Seeds: ldm.Seeds(7, 3), Steps: 6})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(picture.Grid(out.Pixels, 2).Pix)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("with %v the pixels have the digest %s, want %s", isa.Current(), got, want)
	}
}
