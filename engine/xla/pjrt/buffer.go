package pjrt

import "unsafe"

// Type is the format of a buffer's numbers.
type Type int32

// The formats that are used, by their numbers in PJRT_Buffer_Type.
const (
	Int32    Type = 4
	Float16  Type = 10
	Float32  Type = 11
	BFloat16 Type = 13
)

// Bytes is the size of a number.
func (t Type) Bytes() int {
	if t == Float16 || t == BFloat16 {
		return 2
	}
	return 4
}

// Buffer is an array on a device.
type Buffer struct {
	plugin *Plugin
	object unsafe.Pointer
}

// Upload copies numbers of the host to a device. They may change once it returns.
func (c *Client) Upload(data unsafe.Pointer, t Type, shape []int, d Device) (*Buffer, error) {
	dims := make([]int64, len(shape))
	for i, n := range shape {
		dims[i] = int64(n)
	}
	args := &struct {
		header
		client, data unsafe.Pointer
		format       Type
		dims         unsafe.Pointer
		rank         uintptr
		strides      unsafe.Pointer
		strideCount  uintptr
		semantics    int32 // 0: the data is read during the call alone
		device       unsafe.Pointer
		memory       unsafe.Pointer
		layout       unsafe.Pointer
		done, buffer unsafe.Pointer
	}{client: c.object, data: data, format: t, dims: unsafe.Pointer(unsafe.SliceData(dims)), rank: uintptr(len(dims)), device: d.object}
	if err := invoke(c.Plugin, clientBufferFromHost, args); err != nil {
		return nil, err
	}
	b := &Buffer{c.Plugin, args.buffer}
	if err := c.await(args.done); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Download copies the numbers to size bytes of the host, and waits for them.
func (b *Buffer) Download(data unsafe.Pointer, size int) error {
	args := &struct {
		header
		buffer, layout, data unsafe.Pointer
		size                 uintptr
		event                unsafe.Pointer
	}{buffer: b.object, data: data, size: uintptr(size)}
	if err := invoke(b.plugin, bufferToHost, args); err != nil {
		return err
	}
	return b.plugin.await(args.event)
}

// Close frees the memory, unless a program that took the buffer over has done so.
func (b *Buffer) Close() {
	if b != nil {
		b.plugin.destroy(bufferDestroy, b.object)
		b.object = nil
	}
}

// await waits for an event and frees it.
func (p *Plugin) await(event unsafe.Pointer) error {
	if event == nil {
		return nil
	}
	defer p.destroy(eventDestroy, event)
	return invoke(p, eventAwait, &struct {
		header
		event unsafe.Pointer
	}{event: event})
}
