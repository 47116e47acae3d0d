// Package events writes TensorBoard event files: scalars and pictures.
//
// A file is a series of records, each a length, its checksum, an Event message,
// and the message's checksum. Records are appended whole, so a file cut off by
// a crash stays readable up to its last record.
package events

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Writer appends to one event file.
type Writer struct{ f *os.File }

// Create starts a new event file in dir; earlier ones stay.
func Create(dir string) (*Writer, error) {
	host, _ := os.Hostname()
	name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d", time.Now().UnixNano()/1e9, host, os.Getpid())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	w := &Writer{f}
	version := protowire.AppendTag(nil, 3, protowire.BytesType)
	if err := w.event(0, protowire.AppendString(version, "brain.Event:2")); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

// Scalar writes a number under a tag.
func (w *Writer) Scalar(step int, tag string, v float64) error {
	value := protowire.AppendTag(nil, 2, protowire.Fixed32Type) // simple_value
	return w.summary(step, tag, protowire.AppendFixed32(value, math.Float32bits(float32(v))))
}

// Image writes a picture under a tag.
func (w *Writer) Image(step int, tag string, img image.Image) error {
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, img); err != nil {
		return err
	}
	var m []byte
	for field, v := range []int{img.Bounds().Dy(), img.Bounds().Dx(), 3} { // height, width, colours
		m = protowire.AppendTag(m, protowire.Number(field+1), protowire.VarintType)
		m = protowire.AppendVarint(m, uint64(v))
	}
	m = protowire.AppendTag(m, 4, protowire.BytesType)
	m = protowire.AppendBytes(m, encoded.Bytes())
	value := protowire.AppendTag(nil, 4, protowire.BytesType)
	return w.summary(step, tag, protowire.AppendBytes(value, m))
}

// summary wraps a value's content: Event.summary.value with its tag.
func (w *Writer) summary(step int, tag string, content []byte) error {
	value := protowire.AppendTag(nil, 1, protowire.BytesType)
	value = append(protowire.AppendString(value, tag), content...)
	summary := protowire.AppendTag(nil, 1, protowire.BytesType)
	summary = protowire.AppendBytes(summary, value)
	event := protowire.AppendTag(nil, 5, protowire.BytesType)
	return w.event(step, protowire.AppendBytes(event, summary))
}

func (w *Writer) event(step int, content []byte) error {
	m := protowire.AppendTag(nil, 1, protowire.Fixed64Type) // wall_time
	m = protowire.AppendFixed64(m, math.Float64bits(float64(time.Now().UnixNano())/1e9))
	m = protowire.AppendTag(m, 2, protowire.VarintType)
	m = append(protowire.AppendVarint(m, uint64(step)), content...)

	record := binary.LittleEndian.AppendUint64(nil, uint64(len(m)))
	record = binary.LittleEndian.AppendUint32(record, masked(record))
	record = append(record, m...)
	record = binary.LittleEndian.AppendUint32(record, masked(m))
	_, err := w.f.Write(record)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as TFRecord files have it.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return c>>15 + c<<17 + 0xa282ead8
}
