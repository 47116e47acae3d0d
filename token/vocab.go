package token

import "sort"

// BuildVocab makes a WordPiece vocabulary of at most size pieces for a set of
// captions: the special tokens, every character alone and inside a word, so
// that no text in these characters is unknown, then the most frequent words.
func BuildVocab(captions []string, size int) []string {
	vocab := []string{Pad, Unk, Cls, Sep, Mask}
	counts := map[string]int{}
	chars := map[string]bool{}
	for c := rune(33); c < 127; c++ {
		for _, word := range Words(string(c)) {
			chars[word] = true
		}
	}
	for _, caption := range captions {
		for _, word := range Words(caption) {
			counts[word]++
			for _, r := range word {
				chars[string(r)] = true
			}
		}
	}
	for _, c := range sorted(chars) {
		vocab = append(vocab, c, "##"+c)
	}
	words := make([]string, 0, len(counts))
	for word := range counts {
		if !chars[word] {
			words = append(words, word)
		}
	}
	sort.Slice(words, func(i, j int) bool {
		if counts[words[i]] != counts[words[j]] {
			return counts[words[i]] > counts[words[j]]
		}
		return words[i] < words[j]
	})
	return append(vocab, words[:min(len(words), max(size-len(vocab), 0))]...)
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Strings(list)
	return list
}
