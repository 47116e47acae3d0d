// Package metadata reads what programs write into their pictures about how they
// were made: A1111 and its relatives, ComfyUI, InvokeAI, NovelAI, Fooocus,
// SwarmUI, stable-diffusion.cpp and this one; and it makes the texts that this
// program writes.
package metadata

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// Settings are how a picture was made, as far as its file says. A pointer is nil
// and a text or number is empty where it does not.
type Settings struct {
	Program  string // which wrote it: "ldm", "A1111" (also its relatives), "ComfyUI", ... or "unknown"; empty: the file says nothing
	Version  string
	Prompt   string
	Negative string
	Steps    int
	Sampler  string // as the program calls it
	Schedule string // of times, where it stands apart from the sampler
	Guidance *float64
	Seed     *uint64
	Width    int
	Height   int
	Model    string
	Hash     string   // of the model's file
	Strength *float64 // of image to image, 0 to 1
	Eta      *float64
	ClipSkip int    // layers of the text encoder counted from the end, from 1
	Own      []byte // this program's JSON, which holds all that a repetition needs

	// Left lists what else the file says, "name: value", which the fields above
	// do not hold: what a repetition will lack.
	Left []string

	Texts []Text // as they stand in the file
}

// Text is a text of a file and the name that it has there.
type Text struct{ Key, Text string }

// maxFile bounds the files that are read.
const maxFile = 1 << 30

// Read reads the settings in a picture's file. A file without any is no error;
// one that is no picture is.
func Read(path string) (Settings, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Settings{}, fault.As(fault.File, err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return Settings{}, fault.Inputf("%s: want a picture's file of at most %d bytes", path, maxFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, fault.As(fault.File, err)
	}
	s, err := ReadBytes(raw)
	if err != nil {
		return s, fault.Filef("%s: %w", path, err)
	}
	return s, nil
}

// ReadBytes is Read of a file's content.
func ReadBytes(raw []byte) (Settings, error) {
	texts, err := texts(raw)
	if err != nil {
		return Settings{}, err
	}
	s := interpret(texts)
	if s.Program == "" {
		if hidden := stealth(raw); len(hidden) > 0 {
			texts = append(texts, hidden...)
			s = interpret(texts)
		}
	}
	s.Texts = texts
	return s, nil
}

// readers understand the texts of one program each; the first that finds its own
// there holds.
var readers = []func(keyed) (Settings, bool){
	readOwn, readNovelAI, readInvoke, readInvokeOld, readFooocus, readSwarm, readParameters, readComfy, readDream, readJSON,
}

func interpret(texts []Text) Settings {
	k := keyed{}
	for _, t := range texts {
		if _, there := k[t.Key]; !there {
			k[t.Key] = t.Text
		}
	}
	for _, read := range readers {
		if s, ok := read(k); ok {
			return s
		}
	}
	return Settings{}
}

// keyed are texts by their keys.
type keyed map[string]string

// object is the JSON object under a key.
func (k keyed) object(key string) (object, bool) { return parseObject(k[key]) }

// object is a JSON object whose members are taken out as they are understood.
type object map[string]any

func parseObject(text string) (object, bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // seeds have more digits than a float64
	var o object
	if d.Decode(&o) != nil {
		return nil, false
	}
	return o, true
}

// take removes a member and returns it.
func (o object) take(names ...string) any {
	var found any
	for _, name := range names {
		if v, there := o[name]; there {
			delete(o, name)
			if found == nil {
				found = v
			}
		}
	}
	return found
}

func (o object) text(names ...string) string     { return textOf(o.take(names...)) }
func (o object) number(names ...string) *float64 { return numberOf(o.take(names...)) }
func (o object) integer(names ...string) int     { return integerOf(o.take(names...)) }
func (o object) seed(names ...string) *uint64    { return seedOf(o.take(names...)) }
func (o object) object(names ...string) object   { m, _ := o.take(names...).(map[string]any); return m }

// rest lists the members that are left and say something.
func (o object) rest(prefix string) []string {
	var list []string
	for _, name := range sortedKeys(o) {
		switch v := o[name].(type) {
		case nil:
		case bool:
			if v {
				list = append(list, prefix+name+": true")
			}
		case string:
			if v != "" {
				list = append(list, prefix+name+": "+v)
			}
		case json.Number:
			if f, err := v.Float64(); err != nil || f != 0 {
				list = append(list, prefix+name+": "+v.String())
			}
		case []any:
			if len(v) > 0 {
				list = append(list, prefix+name+": "+compact(v))
			}
		case map[string]any:
			if len(v) > 0 {
				list = append(list, prefix+name+": "+compact(v))
			}
		}
	}
	return list
}

func compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	const most = 200
	if text := string(raw); len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(string(raw[:most]), "") + "..."
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func numberOf(v any) *float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(textOf(v)), 64)
	if err != nil {
		return nil
	}
	return &f
}

func integerOf(v any) int {
	f := numberOf(v)
	if f == nil || !(*f >= -1<<31 && *f < 1<<31) {
		return 0
	}
	return int(*f)
}

func seedOf(v any) *uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(textOf(v)), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}
