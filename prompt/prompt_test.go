package prompt

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestWeigh: what A1111's program makes of brackets.
func TestWeigh(t *testing.T) {
	for text, want := range map[string]string{
		"normal text":           "normal text*1",
		"an (important) word":   "an *1|important*1.1| word*1",
		"(unbalanced":           "unbalanced*1.1",
		`\(literal\]`:           "(literal]*1",
		"(unnecessary)(parens)": "unnecessaryparens*1.1",
		"a [less] b":            "a *1|less*0.909| b*1",
		"((two))":               "two*1.21",
		"(a:1.5) (b : 0.5 )":    "a*1.5| *1|b *0.5",
		"a) b]":                 "a) b]*1",
		"(a BREAK b:2)":         "a*2|BREAK|b*2",
		"a BREAK BREAKER":       "a*1|BREAK|BREAKER*1",
		"time 12:30":            "time 12:30*1",
		"(a:1.2.3)":             "a:1.2.3)*1.1",
		`a\b \\`:                `ab \*1`,
		"":                      "",
		"a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": "a *1|house*1.573| *1.1|on*1| a *1.1|hill*0.55|, sun, *1.1|sky*1.464|.*1.1",
	} {
		var got []string
		for _, p := range Weigh(text) {
			if p.Break {
				got = append(got, "BREAK")
				continue
			}
			got = append(got, fmt.Sprintf("%s*%v", p.Text, math.Round(p.Weight*1000)/1000))
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%s\n got %s\nwant %s", text, s, want)
		}
	}
}

// TestSchedule: the texts of ten steps.
func TestSchedule(t *testing.T) {
	for text, want := range map[string][]Step{
		"test":              {{10, "test"}},
		"a [b:3]":           {{3, "a "}, {10, "a b"}},
		"a [b: 3]":          {{3, "a "}, {10, "a b"}},
		"a [[[b]]:2]":       {{2, "a "}, {10, "a [[b]]"}},
		"[(a:2):3]":         {{3, ""}, {10, "(a:2)"}},
		"a [b : c : 1] d":   {{1, "a b  d"}, {10, "a  c  d"}},
		"a[b:[c:d:2]:1]e":   {{1, "abe"}, {2, "ace"}, {10, "ade"}},
		"a [unbalanced":     {{10, "a [unbalanced"}},
		"a [b:.5] c":        {{5, "a  c"}, {10, "a b c"}},
		"a [{b|d{:.5] c":    {{5, "a  c"}, {10, "a {b|d{ c"}},
		"((a][:b:c [d:3]":   {{3, "((a][:b:c "}, {10, "((a][:b:c d"}},
		"[a:b:0]":           {{10, "b"}},
		"[a:b:99]":          {{10, "a"}},
		"[a:b:1.0]":         {{10, "a"}},
		"[a|b] x [c:d:2]":   {{1, "a x c"}, {2, "b x c"}, {3, "a x d"}, {4, "b x d"}, {5, "a x d"}, {6, "b x d"}, {7, "a x d"}, {8, "b x d"}, {9, "a x d"}, {10, "b x d"}},
		"[fe|]male":         {{1, "female"}, {2, "male"}, {3, "female"}, {4, "male"}, {5, "female"}, {6, "male"}, {7, "female"}, {8, "male"}, {9, "female"}, {10, "male"}},
		`\[a:b:3\] [x:y:z]`: {{10, `\[a:b:3\] [x:y:z]`}},
	} {
		if got := Schedule(text, 10); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %v\nwant %v", text, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]Part{
		"a cat":                          {{"a cat", 1}},
		"a cat :1.2 AND a dog AND b:-.5": {{"a cat", 1.2}, {" a dog ", 1}, {" b", -.5}},
		"ANDROID: 5x":                    {{"ANDROID: 5x", 1}},
	} {
		if got := Split(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// FuzzPrompt: any text is read, and one without a meaningful sign stays as it is.
func FuzzPrompt(f *testing.F) {
	for _, text := range []string{"a (b:1.2) [c] AND d BREAK e", `[a:b:.5] \( [a|b]`, "(((", "]:1)", "[[a:1]:2]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		Weigh(text)
		for _, p := range Split(text) {
			steps := Schedule(p.Text, 7)
			if len(steps) == 0 || steps[len(steps)-1].Until != 7 {
				t.Fatalf("%q: %v", text, steps)
			}
			if !strings.ContainsAny(p.Text, "[]") && steps[0].Text != p.Text {
				t.Fatalf("%q became %q", p.Text, steps[0].Text)
			}
		}
	})
}
