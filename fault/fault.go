// Package fault names the kinds of errors, so that a caller can tell bad input
// from a broken file with errors.Is, whatever the text says. A cancelled call
// returns context.Canceled.
package fault

import (
	"errors"
	"fmt"
)

//lint:file-ignore ST1012 the package's name says that they are errors: fault.Input

// The kinds of errors.
var (
	Input       = errors.New("bad input")                 // a value, shape or setting that is not legal
	Unsupported = errors.New("unsupported by this model") // legal, but not for this model or configuration
	File        = errors.New("broken file")               // a file that is damaged, or not what it should be
	Memory      = errors.New("out of memory")             // more memory than there is or than is allowed
	NaN         = errors.New("not a number")              // what a network computed has a NaN or an infinity
)

// Inputf is fmt.Errorf for an error of the kind Input.
func Inputf(format string, args ...any) error { return mark(Input, format, args) }

// Unsupportedf is fmt.Errorf for an error of the kind Unsupported.
func Unsupportedf(format string, args ...any) error { return mark(Unsupported, format, args) }

// Filef is fmt.Errorf for an error of the kind File.
func Filef(format string, args ...any) error { return mark(File, format, args) }

// Memoryf is fmt.Errorf for an error of the kind Memory.
func Memoryf(format string, args ...any) error { return mark(Memory, format, args) }

// NaNf is fmt.Errorf for an error of the kind NaN.
func NaNf(format string, args ...any) error { return mark(NaN, format, args) }

// As gives err the kind, and keeps its text; nil stays nil. An error that has
// a kind already keeps that one alone.
func As(kind, err error) error {
	if err == nil || Kind(err) != nil {
		return err
	}
	return &marked{kind, err}
}

// Kind is the kind of an error: one of this package's, or nil.
func Kind(err error) error {
	for _, kind := range []error{Input, Unsupported, File, Memory, NaN} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// marked is an error with a kind that its text does not mention.
type marked struct{ kind, err error }

func mark(kind error, format string, args []any) error {
	return &marked{kind, fmt.Errorf(format, args...)}
}

func (m *marked) Error() string   { return m.err.Error() }
func (m *marked) Unwrap() []error { return []error{m.kind, m.err} }
