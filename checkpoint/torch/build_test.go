package torch_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// pickler writes the instructions that torch.save does.
type pickler struct{ bytes.Buffer }

func (p *pickler) proto() *pickler { p.WriteString("\x80\x02"); return p }

func (p *pickler) op(s string) *pickler { p.WriteString(s); return p }

func (p *pickler) str(s string) *pickler {
	p.WriteByte('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
	return p
}

func (p *pickler) int(v int) *pickler {
	p.WriteByte('J')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	return p
}

func (p *pickler) ints(vs ...int) *pickler {
	p.op("(")
	for _, v := range vs {
		p.int(v)
	}
	return p.op("t")
}

// tensor writes a tensor of a storage of count elements.
func (p *pickler) tensor(class, key string, count, offset int, shape, strides []int) *pickler {
	p.op("ctorch._utils\n_rebuild_tensor_v2\n((").str("storage").op("ctorch\n" + class + "\n").str(key).str("cpu").int(count)
	if p.legacy() {
		p.op("N")
	}
	p.op("tQ").int(offset).ints(shape...).ints(strides...)
	return p.op("\x89ccollections\nOrderedDict\n)RtR")
}

// legacy tells whether the pickle follows a preamble.
func (p *pickler) legacy() bool { return bytes.HasPrefix(p.Bytes(), []byte(preamble)) }

const preamble = "\x80\x02\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." +
	"\x80\x02M\xe9\x03." + "\x80\x02}."

// twoTensors writes a dictionary as Lightning does.
func (p *pickler) twoTensors() *pickler {
	p.proto().op("}(").str("epoch").int(7).str("note").str("hi").str("rate").op("G\x3f\xe0\x00\x00\x00\x00\x00\x00")
	p.str("callbacks").op("}cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n}s")
	p.str("state_dict").op("}(")
	p.str("a").tensor("FloatStorage", "0", 6, 1, []int{2, 2}, []int{1, 2})
	p.str("b").tensor("HalfStorage", "1", 3, 0, []int{3}, []int{1})
	return p.op("uu.")
}

// archived makes a checkpoint of a pickle and two storages of 24 and 6 bytes.
func archived(t testing.TB, pickle []byte, method uint16, more ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	put := func(name string, data []byte) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "top/" + name, Method: method})
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("data.pkl", pickle)
	put("data/0", []byte("aaaabbbbccccddddeeeeffff"))
	put("data/1", []byte("112233"))
	for i := 0; i+1 < len(more); i += 2 {
		put(more[i], []byte(more[i+1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// oldFormat makes the same checkpoint in the older format.
func oldFormat() []byte {
	var p pickler
	p.op(preamble).twoTensors()
	p.proto().op("](").str("0").str("1").op("e.")
	p.op("\x06\x00\x00\x00\x00\x00\x00\x00aaaabbbbccccddddeeeeffff")
	p.op("\x03\x00\x00\x00\x00\x00\x00\x00112233")
	return p.Bytes()
}

// wrapped is a state dict with one value.
func wrapped(value func(*pickler)) []byte {
	var p pickler
	p.proto().op("}").str("state_dict").op("}").str("x")
	value(&p)
	return p.op("ss.").Bytes()
}

func one(count, offset int, shape, strides []int) []byte {
	return wrapped(func(p *pickler) { p.tensor("FloatStorage", "0", count, offset, shape, strides) })
}

func ops(format string, args ...any) []byte {
	return wrapped(func(p *pickler) { p.op(fmt.Sprintf(format, args...)) })
}

// float writes a tensor of two elements.
func (p *pickler) float() *pickler { return p.tensor("FloatStorage", "0", 6, 0, []int{2}, []int{1}) }

// class writes a name.
func (p *pickler) class(module, name string) *pickler { return p.op("c" + module + "\n" + name + "\n") }
