package metadata

// Recipe is all that it takes to make a picture again: a command of this program
// with its flags, and what it read. It is the JSON that pictures carry.
type Recipe struct {
	Task    string              `json:"task"`
	Flags   map[string][]string `json:"flags"`
	Model   File                `json:"model"`
	Inputs  map[string]File     `json:"inputs,omitempty"` // by the flag that names it
	Version string              `json:"version"`
}

// File is one that was read.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"`
}
