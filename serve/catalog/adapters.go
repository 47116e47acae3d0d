package catalog

import "slices"

// Adapters are what requests can call on, beside the models.
type Adapters struct {
	LoRAs     []LoRA
	Words     []Word
	Controls  []Control
	Databases []Database
}

// Control is a ControlNet.
type Control struct {
	Name    string // the file's or folder's, without its extension
	File    string // inside the folder of ControlNets
	Context int    // channels of the cross-attention
	Bytes   int64  // of its weights
	Hash    string // the beginning of the digest of its name and size, which A1111's clients put behind names
}

// Title is the name that A1111's extension gives a ControlNet.
func (c Control) Title() string { return c.Name + " [" + c.Hash + "]" }

// FindControl finds the ControlNet that a request means, by its name, its title or its file.
func FindControl(list []Control, name string) (Control, bool) {
	i := slices.IndexFunc(list, func(c Control) bool { return name == c.Name || name == c.Title() || name == c.File })
	if i < 0 {
		return Control{}, false
	}
	return list[i], true
}

// Database is a database of pictures, for retrieval-augmented models.
type Database struct {
	Name     string // the file's, without its extension
	File     string // inside the folder of databases
	Pictures int
	Width    int // numbers of a vector
}

// FindDatabase finds a database by its name or its file.
func FindDatabase(list []Database, name string) (Database, bool) {
	i := slices.IndexFunc(list, func(d Database) bool { return name == d.Name || name == d.File })
	if i < 0 {
		return Database{}, false
	}
	return list[i], true
}

// LoRA is a file of changes to weights, that <lora:NAME:0.8> in a prompt means.
type LoRA struct {
	Name     string // the file's without its extension; with its folder where two are called so
	File     string // inside the folder of LoRAs
	Alias    string // what it was called in training, or Name
	Metadata map[string]string
}

// Word is a learnt word (textual inversion).
type Word struct {
	Name    string
	Width   int // channels of the text encoder that it is for
	Vectors int
}

// LoRA finds the one that a prompt means, by its name or alias.
func (a Adapters) LoRA(name string) (LoRA, bool) {
	for _, of := range []func(LoRA) string{
		func(l LoRA) string { return l.Name }, func(l LoRA) string { return l.File }, func(l LoRA) string { return l.Alias },
	} {
		if i := slices.IndexFunc(a.LoRAs, func(l LoRA) bool { return of(l) == name }); i >= 0 {
			return a.LoRAs[i], true
		}
	}
	return LoRA{}, false
}
