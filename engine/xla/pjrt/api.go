// Package pjrt is a thin binding of the PJRT C API, the interface by which XLA
// compiles programs for processors and accelerators. A plugin is a shared library
// that is opened at run time, so that no C compiler takes part in a build.
//
// The source is openxla/xla, xla/pjrt/c/pjrt_c_api.h. While the major version is 0 its
// table of functions and its argument structs only grow at the end: each call tells
// the size of its struct, and a slot is read only where the plugin's table reaches it.
package pjrt

import (
	"fmt"
	"strings"
	"unsafe"
)

// The functions that are used, by their place in the table. They are the same in all
// versions from 0.81 to 0.116.
const (
	errorDestroy             = 0
	errorMessage             = 1
	errorGetCode             = 2
	pluginInitialize         = 3
	pluginAttributes         = 4
	eventDestroy             = 5
	eventAwait               = 8
	clientCreate             = 10
	clientDestroy            = 11
	clientPlatformName       = 12
	clientPlatformVersion    = 14
	clientAddressableDevices = 16
	clientCompile            = 20
	clientBufferFromHost     = 22
	descriptionID            = 23
	descriptionKind          = 26
	deviceDescription        = 29
	deviceMemoryStats        = 34
	executableDestroy        = 40
	executableSerialize      = 49
	loadedDestroy            = 50
	loadedGetExecutable      = 51
	loadedExecute            = 55
	deserializeAndLoad       = 56
	bufferDestroy            = 58
	bufferToHost             = 70
	executableMemoryStats    = 96
)

// oldest is the smallest minor version whose structs this binding was run with.
const oldest = 81

// header begins every argument struct.
type header struct {
	size      uintptr
	extension unsafe.Pointer
}

// text is a string of C with its length.
type text struct {
	data unsafe.Pointer
	size uintptr
}

func (t text) String() string {
	if t.data == nil {
		return ""
	}
	return strings.Clone(unsafe.String((*byte)(t.data), int(t.size)))
}

// textOf is a string for C; its bytes live as long as the struct that holds it.
func textOf(s string) text { return text{unsafe.Pointer(unsafe.StringData(s)), uintptr(len(s))} }

// Plugin is an opened library.
type Plugin struct {
	Path         string
	Major, Minor int
	slots        []uintptr
}

// table is the beginning of PJRT_Api.
type table struct {
	header
	version struct {
		header
		major, minor int32
	}
}

// Open loads a plugin. A plugin stays loaded until the process ends.
func Open(path string) (*Plugin, error) {
	lib, err := openLibrary(path)
	if err != nil {
		return nil, err
	}
	get, err := symbol(lib, "GetPjrtApi")
	if err != nil || get == 0 {
		return nil, fmt.Errorf("%s is no PJRT plugin: it has no function GetPjrtApi", path)
	}
	address := call(get, nil)
	api := *(*unsafe.Pointer)(unsafe.Pointer(&address))
	if api == nil {
		return nil, fmt.Errorf("%s: the plugin has no table of functions", path)
	}
	t := (*table)(api)
	p := &Plugin{Path: path, Major: int(t.version.major), Minor: int(t.version.minor)}
	if p.Major != 0 || p.Minor < oldest {
		return nil, fmt.Errorf("%s speaks PJRT %d.%d; this program speaks 0.%d and later versions 0.x: install another release of the plugin",
			path, p.Major, p.Minor, oldest)
	}
	n := (t.size - unsafe.Sizeof(*t)) / unsafe.Sizeof(uintptr(0))
	p.slots = unsafe.Slice((*uintptr)(unsafe.Add(api, unsafe.Sizeof(*t))), n)
	return p, invoke(p, pluginInitialize, &struct{ header }{})
}

// invoke calls a function with its arguments, whose size it fills in.
func invoke[T any](p *Plugin, slot int, args *T) error {
	if slot >= len(p.slots) || p.slots[slot] == 0 {
		return &Error{Code: Unimplemented, Message: fmt.Sprintf("the plugin of PJRT %d.%d lacks function %d", p.Major, p.Minor, slot)}
	}
	(*header)(unsafe.Pointer(args)).size = unsafe.Sizeof(*args)
	failure := call(p.slots[slot], unsafe.Pointer(args))
	if failure == 0 {
		return nil
	}
	return p.take(*(*unsafe.Pointer)(unsafe.Pointer(&failure)))
}

// destroy frees an object by one of the functions that cannot fail.
func (p *Plugin) destroy(slot int, object unsafe.Pointer) {
	if object == nil {
		return
	}
	args := &struct {
		header
		object unsafe.Pointer
	}{object: object}
	args.size = unsafe.Sizeof(*args)
	call(p.slots[slot], unsafe.Pointer(args))
}

// Attributes are what the plugin says of itself, as "xla_version".
func (p *Plugin) Attributes() map[string]any {
	args := &struct {
		header
		list  unsafe.Pointer
		count uintptr
	}{}
	all := map[string]any{}
	if invoke(p, pluginAttributes, args) != nil || args.list == nil {
		return all
	}
	at := args.list
	for range args.count {
		v := (*namedValue)(at)
		switch v.kind {
		case kindString:
			all[v.name.String()] = text{*(*unsafe.Pointer)(unsafe.Pointer(&v.value)), v.count}.String()
		case kindInt:
			all[v.name.String()] = int64(v.value)
		case kindInts:
			all[v.name.String()] = append([]int64(nil), unsafe.Slice(*(**int64)(unsafe.Pointer(&v.value)), v.count)...)
		}
		at = unsafe.Add(at, max(v.size, unsafe.Sizeof(*v)))
	}
	return all
}

// namedValue is PJRT_NamedValue.
type namedValue struct {
	header
	name  text
	kind  int32
	value uint64 // a number, or the address of a string or of numbers
	count uintptr
}

const (
	kindString = iota
	kindInt
	kindInts
	kindFloat
	kindBool
)
