//go:build !linux && !darwin && !windows

package pjrt

import (
	"errors"
	"unsafe"
)

var errSystem = errors.New("PJRT plugins cannot be opened on this system")

func openLibrary(string) (uintptr, error) { return 0, errSystem }

// Preload loads a library whose symbols plugins look for by its name.
func Preload(string) error { return errSystem }

func symbol(uintptr, string) (uintptr, error) { return 0, errSystem }

func call(uintptr, unsafe.Pointer) uintptr { return 0 }

func call3(uintptr, uintptr, unsafe.Pointer, uintptr) uintptr { return 0 }

func callback(func(unsafe.Pointer) uintptr) uintptr { return 0 }
