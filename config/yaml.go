package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/ldm-go/ldm/fault"
)

// Bounds on what a file may hold, as it may be one that came with a model.
const (
	maxText   = 4 << 20 // bytes
	maxDepth  = 100     // of lists and mappings in each other
	maxValues = 1 << 20 // with repeated ones counted each time
)

// document is a configuration of several files with where its entries were
// written.
type document struct {
	values map[string]any
	places map[string]place // by the path a.b.2
}

type place struct {
	where string // file:line, or the override
	text  string // of a scalar, as it was written
}

func newDocument() *document { return &document{map[string]any{}, map[string]place{}} }

// Text is a file's text in UTF-8 without a byte-order mark: files of UTF-16
// that begin with one are converted.
func Text(raw []byte) ([]byte, error) {
	text, _, err := transform.Bytes(unicode.BOMOverride(transform.Nop), raw)
	return text, err
}

// merge lays a file over what there is.
func (d *document) merge(name string, raw []byte) error {
	node, err := parse(name, raw)
	if err != nil || node == nil {
		return err
	}
	if node.Type() != ast.MappingType && node.Type() != ast.MappingValueType {
		return fault.Inputf("%s: want key: value entries", at(name, node.GetToken()))
	}
	var m map[string]any
	if err := yaml.NodeToValue(node, &m); err != nil {
		return positioned(name, err)
	}
	budget := maxValues
	values, err := own(m, &budget)
	if err != nil {
		return fault.Inputf("%s: %w", name, err)
	}
	mergeMaps(d.values, values.(map[string]any))
	d.note(name, "", node)
	return nil
}

// parse reads a YAML text of one document; there is no node in an empty one.
func parse(name string, raw []byte) (ast.Node, error) {
	text, err := Text(raw)
	if err != nil {
		return nil, fault.Inputf("%s: %w", name, err)
	}
	if len(text) > maxText {
		return nil, fault.Inputf("%s: %d bytes: want at most %d", name, len(text), maxText)
	}
	if line := tooDeep(string(text)); line > 0 {
		return nil, fault.Inputf("%s:%d: more than %d lists and mappings in each other", name, line, maxDepth)
	}
	tokens := lexer.Tokenize(string(text))
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, positioned(name, err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType:
		case body != nil:
			return nil, fault.Inputf("%s: a second document (---): want one in a file", at(name, doc.Body.GetToken()))
		default:
			body = doc.Body
		}
	}
	return body, nil
}

// tooDeep is the number of the line where brackets or entries of lists lie in
// each other deeper than is read, or 0. Those in strings count too.
func tooDeep(text string) int {
	depth := 0
	for n, line := range strings.Split(text, "\n") {
		entries := 0
		for i, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			case '-', '?', '&', '!', ':':
				if i+1 == len(line) || line[i+1] == ' ' || c == '&' || c == '!' {
					entries++
				}
			}
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if depth > maxDepth || depth == 0 && entries > maxDepth || indent > 4*maxDepth {
			return n + 1
		}
	}
	return 0
}

// positioned is an error of the parser on one line.
func positioned(name string, err error) error {
	var e yaml.Error
	if errors.As(err, &e) {
		return fault.Inputf("%s: %s", at(name, e.GetToken()), strings.Join(strings.Fields(e.GetMessage()), " "))
	}
	return fault.Inputf("%s: %w", name, err)
}

func at(name string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return name
	}
	return fmt.Sprintf("%s:%d", name, t.Position.Line)
}

// own copies what aliases may share.
func own(v any, budget *int) (any, error) {
	if *budget--; *budget < 0 {
		return nil, fmt.Errorf("more than %d values, those of aliases counted each time", maxValues)
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, sub := range v {
			if out[k], err = own(sub, budget); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, sub := range v {
			if out[i], err = own(sub, budget); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func mergeMaps(into, from map[string]any) {
	for k, v := range from {
		sub, ok := v.(map[string]any)
		old, both := into[k].(map[string]any)
		if ok && both {
			mergeMaps(old, sub)
			continue
		}
		into[k] = v
	}
}

// note keeps where the entries of a node were written.
func (d *document) note(name, path string, n ast.Node) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			d.note(name, path, v)
		}
	case *ast.MappingValueNode:
		sub := join(path, n.Key.GetToken().Value)
		d.places[sub] = place{where: at(name, n.Key.GetToken())}
		d.note(name, sub, n.Value)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			sub := join(path, strconv.Itoa(i))
			d.places[sub] = place{where: at(name, v.GetToken())}
			d.note(name, sub, v)
		}
	case *ast.AnchorNode:
		d.note(name, path, n.Value)
	case *ast.TagNode:
		d.note(name, path, n.Value)
	default:
		if _, scalar := n.(ast.ScalarNode); scalar && path != "" {
			p := d.places[path]
			p.text = n.GetToken().Value
			d.places[path] = p
		}
	}
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// origin is where a mapping was written.
type origin struct {
	places map[string]place
	prefix string
}

func (o origin) inside(key string) origin {
	if o.places == nil {
		return origin{}
	}
	return origin{o.places, join(o.prefix, key)}
}

// path names a key in an error.
func (o origin) path(key string) string {
	path := join(o.prefix, key)
	if strings.ContainsFunc(path, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(path) // an error is one line
	}
	return path
}

// place is that of a key, or of what it is in.
func (o origin) place(key string) place {
	path := join(o.prefix, key)
	p, ok := o.places[path]
	for !ok && strings.Contains(path, ".") {
		path = path[:strings.LastIndexByte(path, '.')]
		p, ok = o.places[path]
		p.text = ""
	}
	return p
}

// errorf is an error about a key.
func (o origin) errorf(key, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if p := o.place(key); p.where != "" {
		return fault.Inputf("%s: %w", p.where, err)
	}
	return fault.As(fault.Input, err)
}

// show is a value on a short line.
func show(v any) string {
	var text string
	switch v := v.(type) {
	case nil:
		return "missing"
	case string:
		text = strconv.Quote(v)
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		text = "a mapping of " + strings.Join(keys[:min(len(keys), 4)], ", ")
	case []any:
		text = fmt.Sprintf("a list of %d", len(v))
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			text = strconv.FormatFloat(v, 'f', 1, 64)
		}
	default:
		text = fmt.Sprint(v)
	}
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	return text
}
