package metadata

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// Parameters is the text that A1111 writes: a prompt, a negative prompt, and a
// line of fields.
type Parameters struct {
	Prompt, Negative string
	Fields           []Field
}

// Field is a setting: "Steps: 20".
type Field struct{ Key, Value string }

// Number writes a number as short as it can be, as texts of settings have them.
func Number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Get is the value of a field, empty if there is none.
func (p Parameters) Get(key string) string {
	for _, f := range p.Fields {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// String writes the text:
//
//	text   = prompt [ LF "Negative prompt: " negative ] LF fields
//	fields = field *( ", " field )
//	field  = key ": " value
//
// A value with a comma, a colon or a line break is a JSON string.
func (p Parameters) String() string {
	var b strings.Builder
	b.WriteString(p.Prompt)
	if p.Negative != "" {
		b.WriteString("\nNegative prompt: " + p.Negative)
	}
	for i, f := range p.Fields {
		b.WriteString([]string{"\n", ", "}[min(i, 1)])
		b.WriteString(f.Key + ": " + quote(f.Value))
	}
	return strings.TrimSpace(b.String())
}

func quote(value string) string {
	if !strings.ContainsAny(value, ",:\n") {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return value
	}
	return strings.TrimSpace(b.String())
}

func unquote(value string) string {
	var s string
	if strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &s) == nil {
		return s
	}
	return value
}

var (
	fieldForm = regexp.MustCompile(`\s*([\p{L}\p{N}_][\p{L}\p{N}_ \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`)
	sdcppForm = regexp.MustCompile(`, SDCPP: (\{.*\})\s*$`)
)

const negativeMark = "Negative prompt:"

// ParseParameters reads the text. The last line is one of fields if it has three
// of them or more, and otherwise belongs to the prompt.
func ParseParameters(text string) Parameters {
	var p Parameters
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), "\n")
	last := lines[len(lines)-1]
	var own string // stable-diffusion.cpp's JSON, which is not quoted
	if m := sdcppForm.FindStringSubmatchIndex(last); m != nil {
		own, last = last[m[2]:m[3]], last[:m[0]]
	}
	if fields := fieldForm.FindAllStringSubmatch(last, -1); len(fields) >= 3 {
		lines = lines[:len(lines)-1]
		for _, f := range fields {
			p.Fields = append(p.Fields, Field{f[1], unquote(strings.TrimSpace(f[2]))})
		}
		if own != "" {
			p.Fields = append(p.Fields, Field{"SDCPP", own})
		}
	}
	var prompt, negative []string
	target := &prompt
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if rest, found := strings.CutPrefix(line, negativeMark); found {
			target, line = &negative, strings.TrimSpace(rest)
		}
		*target = append(*target, line)
	}
	p.Prompt = strings.TrimSpace(strings.Join(prompt, "\n"))
	p.Negative = strings.TrimSpace(strings.Join(negative, "\n"))
	return p
}

// readParameters understands A1111, its relatives, and those that write its form.
func readParameters(k keyed) (Settings, bool) {
	text := strings.TrimSpace(k["parameters"])
	if text == "" || strings.HasPrefix(text, "{") {
		return Settings{}, false
	}
	return fromParameters(ParseParameters(text)), true
}

func fromParameters(p Parameters) Settings {
	s := Settings{Program: "A1111", Prompt: p.Prompt, Negative: p.Negative}
	for _, f := range p.Fields {
		switch f.Key {
		case "Steps":
			s.Steps = integerOf(f.Value)
		case "Sampler":
			s.Sampler = f.Value
		case "Schedule type", "Scheduler":
			if f.Value != "Automatic" {
				s.Schedule = f.Value
			}
		case "CFG scale":
			s.Guidance = numberOf(f.Value)
		case "Seed":
			s.Seed = seedOf(f.Value)
		case "Size":
			s.Width, s.Height = size(f.Value)
		case "Model hash":
			s.Hash = f.Value
		case "Model":
			s.Model = f.Value
		case "Denoising strength":
			s.Strength = numberOf(f.Value)
		case "Eta":
			s.Eta = numberOf(f.Value)
		case "Clip skip":
			s.ClipSkip = integerOf(f.Value)
		case "Version":
			s.Version = f.Value
		default:
			s.Left = append(s.Left, f.Key+": "+f.Value)
		}
	}
	s.Program, s.Version = program(s.Version)
	return s
}

// program tells a program by the field Version.
func program(version string) (name, rest string) {
	for _, known := range []string{"ldm", "stable-diffusion.cpp", "ComfyUI", "Fooocus", "InvokeAI", "SD.Next", "Easy Diffusion"} {
		if after, found := strings.CutPrefix(version, known); found {
			return known, strings.TrimSpace(strings.TrimLeft(after, " v"))
		}
	}
	return "A1111", version
}

// size reads 512x768.
func size(text string) (width, height int) {
	w, h, ok := strings.Cut(strings.ToLower(text), "x")
	if !ok {
		return 0, 0
	}
	width, errW := strconv.Atoi(strings.TrimSpace(w))
	height, errH := strconv.Atoi(strings.TrimSpace(h))
	if errW != nil || errH != nil || width < 0 || height < 0 {
		return 0, 0
	}
	return width, height
}
