package lora

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
)

// scales are PEFT's strengths, which do not lie among the tensors: by the part of
// the model, "" for all.
type scales map[string]settings

// settings are what PEFT's adapter_config.json says of strength.
type settings struct {
	Alpha    *float64           `json:"lora_alpha"`
	Patterns map[string]float64 `json:"alpha_pattern"`
	Rank     bool               `json:"use_rslora"` // divide by the rank's root
	FanIn    bool               `json:"fan_in_fan_out"`
}

// headerKey is where diffusers writes PEFT's settings in a file's metadata.
const headerKey = "lora_adapter_metadata"

// besideFile is PEFT's file of settings, beside that of the weights.
const besideFile = "adapter_config.json"

// readScales reads PEFT's settings from the file's metadata, or from the file
// beside it, in its folder.
func readScales(meta map[string]string, dir fs.FS, peft bool) (scales, error) {
	if text := meta[headerKey]; text != "" {
		return parseHeader([]byte(text))
	}
	if !peft {
		return nil, nil
	}
	f, err := dir.Open(besideFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err == nil {
		raw, err = config.Text(raw)
	}
	var s settings
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, fault.Filef("%s: %w", besideFile, err)
	}
	return scales{"": s}, nil
}

// parseHeader reads settings whose names begin with the part: unet.lora_alpha.
func parseHeader(raw []byte) (scales, error) {
	var flat map[string]json.RawMessage
	if err := json.Unmarshal(raw, &flat); err != nil {
		return nil, fault.Filef("metadata %s: %w", headerKey, err)
	}
	parts := map[string]map[string]json.RawMessage{}
	for key, value := range flat {
		part, name, ok := strings.Cut(key, ".")
		if !ok {
			part, name = "", key
		}
		if parts[part] == nil {
			parts[part] = map[string]json.RawMessage{}
		}
		parts[part][name] = value
	}
	out := scales{}
	for part, values := range parts {
		whole, err := json.Marshal(values)
		if err != nil {
			return nil, err
		}
		var s settings
		if err = json.Unmarshal(whole, &s); err == nil {
			err = s.check()
		}
		if err != nil {
			return nil, fault.Filef("metadata %s: %s: %w", headerKey, part, err)
		}
		out[part] = s
	}
	return out, nil
}

func (s settings) check() error {
	if s.FanIn {
		return fault.Unsupportedf("fan_in_fan_out: true is not supported")
	}
	return nil
}

// of is the factor of a module's change.
func (s scales) of(module string, rank int) float32 {
	part, _, _ := strings.Cut(module, ".")
	set, ok := s[part]
	if !ok {
		set = s[""]
	}
	a := set.Alpha
	longest := 0
	for pattern, v := range set.Patterns { // names of modules, or their ends
		if n := len(pattern); n > longest && (module == pattern || strings.HasSuffix(module, "."+pattern)) {
			a, longest = &v, n
		}
	}
	switch {
	case a == nil:
		return 1
	case set.Rank:
		return float32(*a / math.Sqrt(float64(rank)))
	}
	return float32(*a / float64(rank))
}
