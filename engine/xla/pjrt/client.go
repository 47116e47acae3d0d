package pjrt

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"unsafe"
)

// Client is a plugin at work with its devices.
type Client struct {
	*Plugin
	object   unsafe.Pointer
	Platform string // "cpu", "cuda", "rocm", "tpu"
	Version  string // of the platform
	Devices  []Device
	store    uint64 // see stores; 0: none
}

// Device is one that programs run on.
type Device struct {
	object unsafe.Pointer
	ID     int
	Kind   string // as "NVIDIA H100 80GB HBM3"
}

// NewClient starts a plugin. Options are strings, int64s, float32s or bools, by names
// that each plugin has of its own; an unknown name is an error. By a store, plugins of
// several processes find each other; nil where there is one alone.
func (p *Plugin) NewClient(options map[string]any, store Store) (*Client, error) {
	var values []namedValue
	var keep []*string
	for _, name := range sortedKeys(options) {
		v := namedValue{name: textOf(name), count: 1}
		v.size = unsafe.Sizeof(v)
		switch x := options[name].(type) {
		case string:
			keep = append(keep, &x)
			v.kind, v.value, v.count = kindString, uint64(uintptr(unsafe.Pointer(unsafe.StringData(x)))), uintptr(len(x))
		case int64:
			v.kind, v.value = kindInt, uint64(x)
		case float32:
			v.kind, v.value = kindFloat, uint64(math.Float32bits(x))
		case bool:
			v.kind = kindBool
			if x {
				v.value = 1
			}
		default:
			return nil, fmt.Errorf("option %s is a %T", name, x)
		}
		values = append(values, v)
	}
	args := &struct {
		header
		options     unsafe.Pointer
		count       uintptr
		get, getArg uintptr
		put, putArg uintptr
		client      unsafe.Pointer
		try, tryArg uintptr
	}{options: unsafe.Pointer(unsafe.SliceData(values)), count: uintptr(len(values))}
	c := &Client{Plugin: p}
	if store != nil {
		c.store = lastStore.Add(1)
		stores.Store(c.store, store)
		f, number := callbacks(), uintptr(c.store)
		args.get, args.put, args.try = f.get, f.put, f.try
		args.getArg, args.putArg, args.tryArg = number, number, number
	}
	err := invoke(p, clientCreate, args)
	runtime.KeepAlive(keep)
	runtime.KeepAlive(options)
	if err != nil {
		stores.Delete(c.store)
		return nil, err
	}
	c.object = args.client
	if c.Platform, err = c.ask(clientPlatformName, c.object); err == nil {
		c.Version, err = c.ask(clientPlatformVersion, c.object)
	}
	if err == nil {
		err = c.findDevices()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// ask calls one of the functions that give a text about an object.
func (p *Plugin) ask(slot int, object unsafe.Pointer) (string, error) {
	args := &struct {
		header
		object unsafe.Pointer
		text   text
	}{object: object}
	err := invoke(p, slot, args)
	return args.text.String(), err
}

func (c *Client) findDevices() error {
	args := &struct {
		header
		client, list unsafe.Pointer
		count        uintptr
	}{client: c.object}
	if err := invoke(c.Plugin, clientAddressableDevices, args); err != nil {
		return err
	}
	for _, object := range unsafe.Slice((*unsafe.Pointer)(args.list), args.count) {
		description := &struct {
			header
			device, description unsafe.Pointer
		}{device: object}
		if err := invoke(c.Plugin, deviceDescription, description); err != nil {
			return err
		}
		id := &struct {
			header
			description unsafe.Pointer
			id          int32
		}{description: description.description}
		if err := invoke(c.Plugin, descriptionID, id); err != nil {
			return err
		}
		kind, err := c.ask(descriptionKind, description.description)
		if err != nil {
			return err
		}
		c.Devices = append(c.Devices, Device{object, int(id.id), kind})
	}
	return nil
}

// Close frees the client. Its buffers and executables are closed before.
func (c *Client) Close() {
	c.destroy(clientDestroy, c.object)
	c.object = nil
	stores.Delete(c.store)
}

// MemoryLimit is the memory that programs on a device may take in bytes, and what is in
// use now; 0 where the plugin does not tell.
func (c *Client) MemoryLimit(d Device) (limit, used int64) {
	type optional struct {
		value int64
		set   bool
	}
	args := &struct {
		header
		device         unsafe.Pointer
		used           int64
		peak           optional
		allocations    optional
		largest, limit optional
		more           [6]optional
	}{device: d.object}
	if invoke(c.Plugin, deviceMemoryStats, args) != nil || !args.limit.set {
		return 0, 0
	}
	return args.limit.value, args.used
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
