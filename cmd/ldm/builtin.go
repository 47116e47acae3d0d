package main

import (
	"fmt"

	"github.com/ldm-go/ldm"
)

func builtin(ldm.Options) (*ldm.Model, error) {
	return nil, fmt.Errorf("no model is built in yet: name one with --model")
}
