package token

// Tokenizer turns a text into the tokens that a text encoder reads, as many as
// there is room for in ids.
type Tokenizer interface {
	Encode(text string, ids []int32)
}
