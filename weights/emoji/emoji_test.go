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
	isa.Portable:   "44ea22f119378482951d01385bbbbd40b8c61658a03273fcee2035333261fd3d",
	isa.AVX2:       "8533c386b6cb9bb8bad250b37e606180e43be1e404c5737287a7fc3fbbe83978",
	isa.AVX512:     "2c845fa0a56ed8c480ee31489a7396d95e8c117e6771068654b0a07bc3bebe75",
	isa.AVX512BF16: "2c845fa0a56ed8c480ee31489a7396d95e8c117e6771068654b0a07bc3bebe75",
	isa.AMX:        "f2069d08f26881d7118948beefb0ef7b2b240ef2e27810bec14894790f331e2e",
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
