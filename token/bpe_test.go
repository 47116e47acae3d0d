package token

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCLIP compares the pieces of texts with those of a transcription of the
// reference in Python with ftfy and regex.
func TestCLIP(t *testing.T) {
	b := CLIP()
	if b.Size() != 49408 || b.Start != 49406 || b.End != 49407 || b.Pad != b.End {
		t.Fatal(b.Size(), b.Start, b.End, b.Pad)
	}
	for _, c := range []struct {
		text string
		want []int32
	}{
		{"a photo of a cat", []int32{320, 1125, 539, 320, 2368}},
		{"Hello, world!", []int32{3306, 267, 1002, 256}},
		{"", []int32{}},
		{"A  virus\tmonster\nis playing guitar,   oil on canvas", []int32{320, 11808, 6060, 533, 1629, 5084, 267, 2870, 525, 7483}},
		{"café naïve Ünïcödé Ærøskøbing", []int32{15304, 1097, 35689, 563, 6522, 77, 35689, 66, 7255, 67, 4166, 42495, 81, 17483, 909, 17483, 5665}},
		{"cafe\u0301 and e\u0301te\u0301", []int32{15304, 537, 3459, 39694}},
		{"😀 a cat 🐱🐶!!", []int32{7334, 320, 2368, 35710, 14466, 748}},
		{"👩\u200d👩\u200d👧 family", []int32{26304, 26304, 964, 356, 1315}},
		{"in 1984, 3.14159 & 2²", []int32{530, 272, 280, 279, 275, 267, 274, 269, 272, 275, 272, 276, 280, 261, 273, 41175}},
		{"it's we've I'LL you'd they're I'm don't 'tis", []int32{585, 568, 649, 1200, 328, 1342, 592, 1896, 889, 982, 328, 880, 847, 713, 713, 533}},
		{"antidisestablishmentarianism supercalifragilisticexpialidocious", []int32{3120, 4262, 7726, 12658, 1585, 44351, 1642, 2857, 13093, 2076, 5868, 26850, 835, 639, 38466}},
		{"aaaaaaaaaaaaaaaaaaa", []int32{23126, 23126, 9583}},
		{"漢字と日本語のテキスト", []int32{162, 120, 95, 35751, 245, 34671, 39121, 44353, 34002, 252, 21575, 2429, 228, 47121, 32421, 486}},
		{"Привет, мир", []int32{26302, 16370, 29503, 110, 22176, 141, 480, 267, 38018, 16701, 141, 478}},
		{"ΟΔΥΣΣΕΥΣ ΣΑΣ.", []int32{138, 123, 138, 112, 139, 227, 139, 225, 139, 225, 138, 113, 139, 227, 139, 480, 139, 225, 138, 109, 139, 480, 269}},
		{"İstanbul", []int32{328, 16384, 11231}},
		{"&lt;b&gt;bold&lt;/b&gt; &amp;amp; more", []int32{283, 321, 285, 8911, 34308, 321, 285, 261, 750}},
		{"<|startoftext|>hi<|endoftext|> there", []int32{49406, 1883, 49407, 997}},
		{"trending on artstation, 8k --ar 16:9 #art @me", []int32{6087, 525, 1486, 2631, 267, 279, 330, 2432, 625, 272, 277, 281, 280, 258, 794, 287, 614}},
		{"مرحبا بالعالم", []int32{12986, 10948, 25722, 16378, 22625, 16378, 12973, 18843, 12973, 29945}},
		{"x\u00a0y\u3000z\u2028w", []int32{343, 344, 345, 342}},
		{"!!!???...---", []int32{11194, 40017, 3002, 11079}},
		{"한국어 텍스트", []int32{15197, 250, 31871, 255, 31625, 368, 169, 227, 235, 20305, 39820}},
		{"\u0345 a", []int32{320}},
		{"it\u2032s 50% \u20ac5", []int32{585, 32633, 338, 276, 271, 260, 6309, 276}},
		{"naïve\u200bzero\u200bwidth", []int32{1097, 35689, 563, 9844, 5848, 9844, 23571}},
		{"a_b-c/d\\e", []int32{320, 318, 321, 268, 322, 270, 323, 315, 324}},
	} {
		if got := b.Pieces(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}

func TestBPEEncode(t *testing.T) {
	zero := CLIP()
	zero.Pad = 0
	for _, c := range []struct {
		b    *BPE
		text string
		want []int32
	}{
		{CLIP(), "a cat", []int32{49406, 320, 2368, 49407, 49407, 49407}},
		{zero, "a cat", []int32{49406, 320, 2368, 49407, 0, 0}},
		{zero, "", []int32{49406, 49407, 0}},
		{zero, "a photo of a cat", []int32{49406, 320, 1125, 49407}},
		{zero, "a photo", []int32{49406, 320, 1125, 49407}},
		{zero, "a cat", []int32{49406, 49407}},
		{zero, "a cat", []int32{49407}},
		{zero, "a cat", nil},
	} {
		ids := make([]int32, len(c.want))
		c.b.Encode(c.text, ids)
		if !slices.Equal(ids, c.want) {
			t.Errorf("%q: %v, want %v", c.text, ids, c.want)
		}
	}
}

// TestNewBPE checks the order of the ids and what is refused.
func TestNewBPE(t *testing.T) {
	b, err := NewBPE([]string{"a b", "ab ab", "a b</w>", "a a"})
	if err != nil {
		t.Fatal(err)
	}
	// The space's byte has no character of its own, so it comes after the others.
	if b.Start != 516 || b.bytes['!'] != 0 || b.bytes[0xff] != 187 || b.bytes[0] != 188 || b.bytes[' '] != 220 {
		t.Error(b.Start, b.bytes)
	}
	for text, want := range map[string][]int32{
		"ababab": {513, 514},
		"aaaa":   {515, 64, 64 + 256},
		"ab":     {514},
	} {
		if got := b.Pieces(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for _, merges := range [][]string{{"a"}, {"a b c"}, {""}, {"ab c"}, {"a bc", "b c"}, {"a b", "a b"}} {
		if _, err := NewBPE(merges); err == nil {
			t.Errorf("merges %q are accepted", merges)
		}
	}
}

func TestBPELongWord(t *testing.T) {
	start := time.Now()
	for _, word := range []string{"a", "lo", "!", "\u00e9"} {
		if got := CLIP().Pieces(strings.Repeat(word, 100_000/len(word))); len(got) < 1000 {
			t.Errorf("%q: %d pieces", word, len(got))
		}
	}
	// A search of the whole word after each merge would take minutes.
	if took := time.Since(start); took > 10*time.Second {
		t.Error("long words take", took)
	}
}

func FuzzBPE(f *testing.F) {
	b := CLIP()
	b.Pad = 0
	f.Add("Ünïcödé 漢字\x00\xff &amp; <|endoftext|>")
	f.Add(strings.Repeat("Aa'S 1!", 20))
	f.Fuzz(func(t *testing.T, text string) {
		pieces := b.Pieces(text)
		for _, n := range []int{1, 2, 9, 77} {
			ids := make([]int32, n)
			b.Encode(text, ids)
			for _, id := range ids {
				if id < 0 || int(id) >= b.Size() {
					t.Fatalf("id %d", id)
				}
			}
			if end := min(len(pieces)+1, n-1); ids[end] != b.End {
				t.Fatalf("%d ids of %q: %d at %d", n, text, ids[end], end)
			}
		}
	})
}
