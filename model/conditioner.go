package model

import (
	"maps"
	"slices"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
)

// ConditionerKind says what turns a condition into what the U-Net sees.
type ConditionerKind uint8

// The kinds of conditioners.
const (
	NoCondition    ConditionerKind = iota // an unconditional model
	Text                                  // the paper's transformer over word pieces
	CLIPText                              // CLIP's text tower
	Class                                 // a vector for each class
	RescaledMap                           // a segmentation map, shrunk
	Itself                                // what is given, as it is
	LatentOfItself                        // a picture, encoded by the first stage
)

// kindNames are the YAML's names of the kinds; two lead to Text, three to CLIPText.
var kindNames = map[string]ConditionerKind{
	config.Unconditional: NoCondition, config.TargetTransformer: Text, config.TargetPlainTransformer: Text,
	config.TargetFrozenCLIP: CLIPText, config.TargetFrozenOpenCLIP: CLIPText, config.TargetCLIPTextModel: CLIPText, config.TargetClassEmbedder: Class, config.TargetSpatialRescaler: RescaledMap,
	config.TargetIdentity: Itself, config.FirstStageAsCond: LatentOfItself,
}

// String is the first of the YAML's names of the kind.
func (k ConditionerKind) String() string {
	for _, name := range slices.Sorted(maps.Keys(kindNames)) {
		if kindNames[name] == k {
			return name
		}
	}
	return "unknown"
}

// Conditioner is τ of section 3.3: what turns a label, a text or a picture into
// what the U-Net sees. The pointer of its kind is set; Itself, LatentOfItself and
// NoCondition have none.
type Conditioner struct {
	Kind     ConditionerKind
	Encoder  string // the YAML's name of it, where several lead to one kind
	Text     *conditioner.Transformer
	CLIP     *conditioner.CLIP
	Class    *conditioner.ClassEmbedder
	Rescaler *conditioner.SpatialRescaler
}

// decodeConditioner reads cond_stage_config of a diffusion model: a name, or a
// target.
func decodeConditioner(diffusion config.Target) (Conditioner, error) {
	const key = "cond_stage_config"
	switch v := diffusion.Params[key].(type) {
	case nil:
		return Conditioner{}, fault.Inputf("%s is missing", key)
	case string:
		if v != config.Unconditional && v != config.FirstStageAsCond {
			return Conditioner{}, unknown(key, v, config.Unconditional, config.FirstStageAsCond)
		}
		return Conditioner{Kind: kindNames[v]}, nil
	case config.Target:
		return buildConditioner(v)
	}
	var t config.Target
	if err := diffusion.Inside(key, &t); err != nil {
		return Conditioner{}, err
	}
	return buildConditioner(t)
}

func buildConditioner(t config.Target) (Conditioner, error) {
	kind, ok := kindNames[t.Target]
	if !ok {
		return Conditioner{}, unknown("cond_stage_config", t.Target, slices.Collect(maps.Keys(kindNames))...)
	}
	c := Conditioner{Kind: kind, Encoder: t.Target}
	switch kind {
	case Text:
		text := conditioner.Transformer{}.WithDefaults()
		if err := t.Decode(&text); err != nil {
			return c, err
		}
		c.Text = &text
		return c, text.Validate()
	case Class:
		c.Class = &conditioner.ClassEmbedder{NClasses: 1000}
		return c, t.Decode(c.Class)
	case RescaledMap:
		rescaler := conditioner.DefaultRescaler()
		c.Rescaler = &rescaler
		if err := t.Decode(c.Rescaler); err != nil {
			return c, err
		}
		return c, rescaler.Validate()
	case CLIPText:
		tower, err := TextTower(t)
		c.CLIP = &tower
		return c, err
	}
	return c, nil
}

// TextTower is the text tower of CLIP that a target names.
func TextTower(t config.Target) (conditioner.CLIP, error) {
	var towers interface {
		Tower() (conditioner.CLIP, error)
	}
	switch t.Target {
	case config.TargetFrozenOpenCLIP:
		towers = &conditioner.FrozenOpenCLIP{}
	case config.TargetCLIPTextModel:
		towers = &conditioner.CLIPTextModel{}
	default:
		towers = &conditioner.FrozenCLIP{}
	}
	if err := t.Decode(towers); err != nil {
		return conditioner.CLIP{}, err
	}
	return towers.Tower()
}
