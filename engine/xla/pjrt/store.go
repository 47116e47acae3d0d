package pjrt

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Store is what plugins of several processes exchange small values by, as the places of
// their devices. Put of a key that has a value is an fs.ErrExist, TryGet of one without is
// an fs.ErrNotExist, and Get that waits in vain a context.DeadlineExceeded. Plugins call
// it from threads of their own, several at a time.
type Store interface {
	Put(key string, value []byte) error
	Get(key string, timeout time.Duration) ([]byte, error)
	TryGet(key string) ([]byte, error)
}

// stores are those of clients, by the number that a plugin gives back with every call.
var (
	stores    sync.Map
	lastStore atomic.Uint64
)

// callbacks are the functions of C that a plugin calls; made once, as they are never freed.
var callbacks = sync.OnceValue(func() (c struct{ get, put, try uintptr }) {
	c.get, c.put, c.try = callback(storeGet), callback(storePut), callback(storeTryGet)
	return c
})

// giveBack is what a plugin calls with a value that it needs no more.
var giveBack = sync.OnceValue(func() uintptr {
	return callback(func(value unsafe.Pointer) uintptr {
		lent.Delete(uintptr(value))
		return 0
	})
})

// lent holds values until the plugin frees them, so that their memory stays.
var lent sync.Map

// getCall is PJRT_KeyValueGetCallback_Args, tryCall PJRT_KeyValueTryGetCallback_Args and
// putCall PJRT_KeyValuePutCallback_Args.
type (
	getCall struct {
		header
		key     text
		timeout int32 // milliseconds
		failure unsafe.Pointer
		store   uintptr
		lending
	}
	tryCall struct {
		header
		key     text
		failure unsafe.Pointer
		store   uintptr
		lending
	}
	putCall struct {
		header
		key, value text
		failure    unsafe.Pointer
		store      uintptr
	}
	// lending is a value that the plugin gives back.
	lending struct {
		value unsafe.Pointer
		size  uintptr
		free  uintptr
	}
)

func storeGet(args unsafe.Pointer) uintptr {
	c := (*getCall)(args)
	return answer(c.store, c.failure, &c.lending, func(s Store) ([]byte, error) {
		return s.Get(c.key.String(), time.Duration(c.timeout)*time.Millisecond)
	})
}

func storeTryGet(args unsafe.Pointer) uintptr {
	c := (*tryCall)(args)
	return answer(c.store, c.failure, &c.lending, func(s Store) ([]byte, error) { return s.TryGet(c.key.String()) })
}

func storePut(args unsafe.Pointer) uintptr {
	c := (*putCall)(args)
	return answer(c.store, c.failure, nil, func(s Store) ([]byte, error) {
		return nil, s.Put(c.key.String(), []byte(c.value.String()))
	})
}

// answer carries out a call and lends its value, or makes an error of the plugin's kind.
func answer(number uintptr, failure unsafe.Pointer, to *lending, do func(Store) ([]byte, error)) uintptr {
	s, ok := stores.Load(uint64(number))
	if !ok {
		return failed(failure, errors.New("the client is closed"))
	}
	value, err := do(s.(Store))
	if err != nil {
		return failed(failure, err)
	}
	if to != nil {
		held := append(make([]byte, 0, len(value)+1), value...) // an address even without bytes
		data := unsafe.Pointer(unsafe.SliceData(held[:1]))
		lent.Store(uintptr(data), held)
		to.value, to.size, to.free = data, uintptr(len(value)), giveBack()
	}
	return 0
}

// failed makes an error by the plugin's own function, whose address failure points to.
func failed(failure unsafe.Pointer, err error) uintptr {
	code := Internal
	switch {
	case errors.Is(err, fs.ErrExist):
		code = AlreadyExists
	case errors.Is(err, fs.ErrNotExist):
		code = NotFound
	case errors.Is(err, context.DeadlineExceeded):
		code = DeadlineExceeded
	}
	message := err.Error()
	e := call3(*(*uintptr)(failure), uintptr(code), unsafe.Pointer(unsafe.StringData(message)), uintptr(len(message)))
	runtime.KeepAlive(message)
	return e
}
