package pjrt

import (
	"bytes"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// CompileOptions are the part of XLA's that is used.
type CompileOptions struct {
	Devices []int          // those of the client that the program runs on, by ID; one partition each
	Env     map[string]any // options of the compiler, as "xla_gpu_autotune_level": strings, int64s, bools
}

// Encode writes CompileOptionsProto (xla/pjrt/proto/compile_options.proto).
func (o CompileOptions) Encode() []byte {
	number := func(b []byte, field protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
	}
	message := func(b []byte, field protowire.Number, m []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
	}
	n := uint64(len(o.Devices))
	assignment := number(number(nil, 1, 1), 2, n) // replicas, partitions
	for _, id := range o.Devices {
		assignment = message(assignment, 3, message(nil, 1, protowire.AppendVarint(nil, uint64(id))))
	}
	const unset = ^uint64(0) // device ordinal -1
	build := number(number(number(nil, 1, unset), 4, 1), 5, n)
	if n > 1 {
		build = number(number(build, 6, 1), 19, 1) // SPMD, by Shardy
	}
	out := message(nil, 3, message(build, 9, assignment))
	for _, name := range sortedKeys(o.Env) {
		var value []byte
		switch v := o.Env[name].(type) {
		case string:
			value = message(nil, 1, []byte(v))
		case bool:
			value = number(nil, 2, protowire.EncodeBool(v))
		case int64:
			value = number(nil, 3, uint64(v))
		}
		out = message(out, 7, message(message(nil, 1, []byte(name)), 2, value))
	}
	return out
}

// Executable is a program on its devices.
type Executable struct {
	plugin *Plugin
	object unsafe.Pointer
}

// Compile makes a program of StableHLO's text, with options of CompileOptions.Encode.
func (c *Client) Compile(code string, options []byte) (*Executable, error) {
	program := &struct {
		header
		code, format text
	}{code: textOf(code), format: textOf("mlir")}
	program.size = unsafe.Sizeof(*program)
	args := &struct {
		header
		client, program unsafe.Pointer
		options         unsafe.Pointer
		size            uintptr
		executable      unsafe.Pointer
	}{client: c.object, program: unsafe.Pointer(program), options: unsafe.Pointer(unsafe.SliceData(options)), size: uintptr(len(options))}
	if err := invoke(c.Plugin, clientCompile, args); err != nil {
		return nil, err
	}
	return &Executable{c.Plugin, args.executable}, nil
}

// Load brings back a program that was serialised by the same plugin for the same device.
func (c *Client) Load(serialised []byte) (*Executable, error) {
	args := &struct {
		header
		client     unsafe.Pointer
		data       unsafe.Pointer
		size       uintptr
		executable unsafe.Pointer
		options    text // those of the compilation are kept
	}{client: c.object, data: unsafe.Pointer(unsafe.SliceData(serialised)), size: uintptr(len(serialised))}
	if err := invoke(c.Plugin, deserializeAndLoad, args); err != nil {
		return nil, err
	}
	return &Executable{c.Plugin, args.executable}, nil
}

// Close frees the program.
func (e *Executable) Close() {
	if e != nil {
		e.plugin.destroy(loadedDestroy, e.object)
		e.object = nil
	}
}

// inner calls f with the PJRT_Executable.
func (e *Executable) inner(f func(unsafe.Pointer) error) error {
	args := &struct {
		header
		loaded, executable unsafe.Pointer
	}{loaded: e.object}
	if err := invoke(e.plugin, loadedGetExecutable, args); err != nil {
		return err
	}
	defer e.plugin.destroy(executableDestroy, args.executable)
	return f(args.executable)
}

// Serialise writes the program for Load.
func (e *Executable) Serialise() (data []byte, err error) {
	err = e.inner(func(inner unsafe.Pointer) error {
		args := &struct {
			header
			executable unsafe.Pointer
			data       text
			owner      unsafe.Pointer
			free       uintptr
		}{executable: inner}
		if err := invoke(e.plugin, executableSerialize, args); err != nil {
			return err
		}
		data = bytes.Clone(unsafe.Slice((*byte)(args.data.data), args.data.size))
		if args.free != 0 {
			call(args.free, args.owner)
		}
		return nil
	})
	return data, err
}

// Memory is what a program takes on each device, in bytes.
type Memory struct{ Code, Arguments, Outputs, Aliased, Temporary int64 }

// Memory asks what the program takes.
func (e *Executable) Memory() (m Memory, err error) {
	err = e.inner(func(inner unsafe.Pointer) error {
		args := &struct {
			header
			executable unsafe.Pointer
			Memory
			host [5]int64
			peak int64
		}{executable: inner}
		err := invoke(e.plugin, executableMemoryStats, args)
		m = args.Memory
		return err
	})
	return m, err
}

// Execute runs the program on all its devices and waits for it. args are the
// arguments of each device; the result is the outputs of each. An argument that the
// program's text gives away is used up, and to be closed all the same.
func (e *Executable) Execute(args [][]*Buffer, outputs int) ([][]*Buffer, error) {
	n := len(args)
	lists, results := make([]unsafe.Pointer, n), make([]unsafe.Pointer, n)
	events := make([]unsafe.Pointer, n)
	objects := make([][]unsafe.Pointer, 2*n)
	for i, list := range args {
		in, out := make([]unsafe.Pointer, len(list)+1), make([]unsafe.Pointer, outputs+1)
		for k, b := range list {
			in[k] = b.object
		}
		objects[2*i], objects[2*i+1] = in, out
		lists[i], results[i] = unsafe.Pointer(&in[0]), unsafe.Pointer(&out[0])
	}
	options := &struct {
		header
		send, receive   unsafe.Pointer
		sends, receives uintptr
		launch          int32
		kept            unsafe.Pointer
		keptCount       uintptr
		context         unsafe.Pointer
		location        unsafe.Pointer
		tasks           uintptr
		taskIDs         unsafe.Pointer
		incarnations    unsafe.Pointer
	}{}
	options.size = unsafe.Sizeof(*options)
	call := &struct {
		header
		executable, options unsafe.Pointer
		lists               unsafe.Pointer
		devices, count      uintptr
		results             unsafe.Pointer
		events              unsafe.Pointer
		device              unsafe.Pointer
	}{
		executable: e.object, options: unsafe.Pointer(options), lists: unsafe.Pointer(&lists[0]), devices: uintptr(n),
		count: uintptr(len(args[0])), results: unsafe.Pointer(&results[0]), events: unsafe.Pointer(&events[0]),
	}
	if err := invoke(e.plugin, loadedExecute, call); err != nil {
		return nil, err
	}
	all := make([][]*Buffer, n)
	var failure error
	for i := range all {
		for _, object := range objects[2*i+1][:outputs] {
			all[i] = append(all[i], &Buffer{e.plugin, object})
		}
	}
	for _, event := range events {
		if err := e.plugin.await(event); err != nil && failure == nil {
			failure = err
		}
	}
	if failure != nil {
		for _, list := range all {
			for _, b := range list {
				b.Close()
			}
		}
		return nil, failure
	}
	return all, nil
}
