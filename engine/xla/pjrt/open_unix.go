//go:build linux || darwin

package pjrt

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

func openLibrary(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

// Preload loads a library whose symbols plugins look for by its name.
func Preload(path string) error {
	_, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	return err
}

func symbol(lib uintptr, name string) (uintptr, error) { return purego.Dlsym(lib, name) }

// call calls a function of C with one pointer.
func call(fn uintptr, arg unsafe.Pointer) uintptr {
	r, _, _ := purego.SyscallN(fn, uintptr(arg))
	return r
}

// call3 calls a function of C with a number, a pointer and a size.
func call3(fn, number uintptr, data unsafe.Pointer, size uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, number, uintptr(data), size)
	return r
}

// callback makes a function of C of one of Go. It may be called from any thread.
func callback(f func(unsafe.Pointer) uintptr) uintptr { return purego.NewCallback(f) }
