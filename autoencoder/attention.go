package autoencoder

import (
	"slices"

	"github.com/ldm-go/ldm/fault"
)

// Attention says what looks over all pixels at once in an encoder and a decoder.
type Attention uint8

// The kinds of attention.
const (
	AttnVanilla Attention = iota // softmax over all pixels, one head
	AttnLinear                   // softmax over the keys' positions alone
	AttnNone                     // none at all
)

var attentionNames = []string{"vanilla", "linear", "none"}

func (a Attention) String() string { return attentionNames[a] }

// UnmarshalText reads the value of attn_type; files that this program wrote may have
// an empty one, which is the default.
func (a *Attention) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*a = AttnVanilla
		return nil
	}
	i := slices.Index(attentionNames, string(b))
	if i < 0 {
		return fault.Inputf("attn_type %q: want vanilla, linear or none", b)
	}
	*a = Attention(i)
	return nil
}

// MarshalText writes the name in YAML.
func (a Attention) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
