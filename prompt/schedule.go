package prompt

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Part is one of the texts that AND joins, and how much it counts.
type Part struct {
	Text   string
	Weight float64
}

var (
	and    = regexp.MustCompile(`\bAND\b`)
	weight = regexp.MustCompile(`^((?s:.)*?)\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*$`)
)

// Split takes a prompt apart at its ANDs: "a cat :1.2 AND a dog".
func Split(text string) []Part {
	var out []Part
	texts := and.Split(text, -1)
	for _, t := range texts {
		p := Part{t, 1}
		if m := weight.FindStringSubmatch(t); m != nil {
			if v, err := strconv.ParseFloat(m[2], 64); err == nil {
				p = Part{m[1], v}
			}
		}
		out = append(out, p)
	}
	return out
}

// Step is the text of some steps.
type Step struct {
	Until int // the last step, counted from 1
	Text  string
}

// Schedule lists the texts that a prompt has in so many steps: [from:to:when] becomes
// another after step when (a whole number), or after that share of the steps (a number
// with a point), and [a|b|c] is another in every step. All else stands as it is.
func Schedule(text string, steps int) []Step {
	root := parse(text)
	ends := map[int]bool{steps: true}
	root.ends(steps, ends)
	var list []int
	for end := range ends {
		if end >= 1 && end <= steps {
			list = append(list, end)
		}
	}
	slices.Sort(list)
	var out []Step
	for _, end := range list {
		var b strings.Builder
		root.write(&b, end, steps)
		if last := len(out) - 1; last >= 0 && out[last].Text == b.String() {
			out[last].Until = end
			continue
		}
		out = append(out, Step{end, b.String()})
	}
	return out
}

// node is a text, a separator directly in square brackets, or brackets with what is
// in them.
type node struct {
	text  string // of a text or separator
	open  byte   // '(', '[', or 0
	inner []node
}

// parse matches brackets; those without a partner are text. A \ keeps what follows
// from having a meaning.
func parse(text string) node {
	stack := []node{{}}
	add := func(n node) {
		top := &stack[len(stack)-1]
		top.inner = append(top.inner, n)
	}
	flatten := func() { // the last bracket that was opened is text
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		add(node{text: string(n.open)})
		for _, i := range n.inner {
			add(i)
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[':
			stack = append(stack, node{open: c})
		case ')', ']':
			open := map[byte]byte{')': '(', ']': '['}[c]
			if !slices.ContainsFunc(stack, func(n node) bool { return n.open == open }) {
				add(node{text: string(c)})
				continue
			}
			for stack[len(stack)-1].open != open {
				flatten()
			}
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			add(n)
		case '\\':
			end := min(i+2, len(text))
			add(node{text: text[i:end]})
			i = end - 1
		default:
			end := i + 1
			if c != ':' && c != '|' {
				for end < len(text) && !strings.ContainsRune(`()[]:|\`, rune(text[end])) {
					end++
				}
			}
			add(node{text: text[i:end]})
			i = end - 1
		}
	}
	for len(stack) > 1 {
		flatten()
	}
	return stack[0]
}

// parts are what stands between separators directly in a bracket.
func (n node) parts(separator string) [][]node {
	out := [][]node{nil}
	for _, i := range n.inner {
		if i.open == 0 && i.text == separator {
			out = append(out, nil)
			continue
		}
		out[len(out)-1] = append(out[len(out)-1], i)
	}
	return out
}

// scheduled tells [to:when] and [from:to:when] from other square brackets.
func (n node) scheduled(steps int) (before, after []node, when int, ok bool) {
	parts := n.parts(":")
	last := len(parts) - 1
	if n.open != '[' || last < 1 || last > 2 || len(parts[last]) != 1 || parts[last][0].open != 0 {
		return nil, nil, 0, false
	}
	text := strings.TrimSpace(parts[last][0].text)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || strings.ContainsAny(text, "xXpPiInN_") {
		return nil, nil, 0, false
	}
	if strings.Contains(text, ".") {
		v *= float64(steps)
	}
	if last == 2 {
		before = parts[0]
	}
	return before, parts[last-1], int(min(max(v, -1), float64(steps))), true
}

// ends collects the steps after which the text may change.
func (n node) ends(steps int, ends map[int]bool) {
	if _, _, when, ok := n.scheduled(steps); ok {
		ends[when] = true
	} else if n.open == '[' && len(n.parts("|")) > 1 {
		for i := range steps {
			ends[i+1] = true
		}
	}
	for _, i := range n.inner {
		i.ends(steps, ends)
	}
}

// write is the text at a step.
func (n node) write(b *strings.Builder, step, steps int) {
	list := func(nodes []node) {
		for _, i := range nodes {
			i.write(b, step, steps)
		}
	}
	if before, after, when, ok := n.scheduled(steps); ok {
		if step <= when {
			list(before)
		} else {
			list(after)
		}
		return
	}
	if n.open == '[' {
		if options := n.parts("|"); len(options) > 1 {
			list(options[(step-1)%len(options)])
			return
		}
	}
	switch n.open {
	case '(':
		b.WriteByte('(')
		defer b.WriteByte(')')
	case '[':
		b.WriteByte('[')
		defer b.WriteByte(']')
	}
	b.WriteString(n.text)
	list(n.inner)
}
