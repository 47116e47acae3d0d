package data

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Outline is the shape of what a box holds: polygons in shares of the picture's
// width and height, or runs of pixels.
type Outline struct {
	Polygons [][]float32 // x0, y0, x1, y1, ...
	Runs     []uint32    // pixels without and with it in turn, column by column, of a mask of Height x Width
	Width    int
	Height   int
}

// maxMask bounds the pixels of a mask in runs.
const maxMask = 1 << 28

// parseOutline reads COCO's three forms: polygons in pixels, runs as a list of
// numbers, and runs packed into a text.
func parseOutline(raw json.RawMessage, width, height float64) (*Outline, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	o := &Outline{}
	if raw[0] == '[' {
		var polygons [][]float64
		if err := json.Unmarshal(raw, &polygons); err != nil {
			return nil, err
		}
		for _, p := range polygons {
			shares := make([]float32, len(p)/2*2)
			for i := range shares {
				shares[i] = float32(p[i] / []float64{width, height}[i%2])
			}
			o.Polygons = append(o.Polygons, shares)
		}
		return o, nil
	}
	var runs struct {
		Size   []int           `json:"size"` // height, width
		Counts json.RawMessage `json:"counts"`
	}
	if err := json.Unmarshal(raw, &runs); err != nil {
		return nil, err
	}
	if len(runs.Size) != 2 || runs.Size[0] < 1 || runs.Size[1] < 1 || runs.Size[0] > maxMask/runs.Size[1] {
		return nil, fmt.Errorf("segmentation of size %v: want height and width", runs.Size)
	}
	o.Height, o.Width = runs.Size[0], runs.Size[1]
	var packed string
	if json.Unmarshal(runs.Counts, &packed) == nil {
		o.Runs = unpackRuns(packed)
	} else if err := json.Unmarshal(runs.Counts, &o.Runs); err != nil {
		return nil, err
	}
	var sum uint64
	for _, n := range o.Runs {
		sum += uint64(n)
	}
	if sum != uint64(o.Height*o.Width) {
		return nil, fmt.Errorf("segmentation of %d pixels: want %dx%d", sum, o.Width, o.Height)
	}
	return o, nil
}

// unpackRuns reads COCO's text form: five bits a letter from the low ones, the
// sixth says that more follow, and from the fourth run on each is the difference
// to the one two before.
func unpackRuns(text string) []uint32 {
	var runs []uint32
	for at := 0; at < len(text); {
		var v int64
		for shift := uint(0); at < len(text); shift += 5 {
			c := int64(text[at]) - '0'
			at++
			if shift < 60 {
				v |= c & 31 << shift
			}
			if c&32 == 0 {
				if c&16 != 0 && shift < 55 {
					v |= -1 << (shift + 5) // negative
				}
				break
			}
		}
		if len(runs) > 2 {
			v += int64(runs[len(runs)-2])
		}
		runs = append(runs, uint32(max(v, 0)))
	}
	return runs
}

// paint sets the pixels of a map that lie inside an outline. x and y say where
// a pixel's centre lies, in shares of the picture.
func (o *Outline) paint(l *picture.Labels, label int32, x, y func(int) float64) {
	if o.Runs != nil {
		mask := o.mask()
		for i := range l.Index {
			px, py := int(x(i%l.Width)*float64(o.Width)), int(y(i/l.Width)*float64(o.Height))
			if px >= 0 && py >= 0 && px < o.Width && py < o.Height && mask[px*o.Height+py] {
				l.Index[i] = label
			}
		}
		return
	}
	for _, p := range o.Polygons {
		for row := range l.Height {
			crossings := crossings(p, y(row))
			for k := 0; k+1 < len(crossings); k += 2 {
				for column := range l.Width {
					if at := x(column); at >= crossings[k] && at < crossings[k+1] {
						l.Index[row*l.Width+column] = label
					}
				}
			}
		}
	}
}

// crossings are the places where a polygon's edges cross a line across, in order.
func crossings(p []float32, y float64) []float64 {
	var list []float64
	n := len(p) / 2
	for i := range n {
		x0, y0 := float64(p[2*i]), float64(p[2*i+1])
		j := (i + 1) % n
		x1, y1 := float64(p[2*j]), float64(p[2*j+1])
		if (y0 <= y) != (y1 <= y) {
			list = append(list, x0+(y-y0)/(y1-y0)*(x1-x0))
		}
	}
	slices.Sort(list)
	return list
}

// mask unpacks the runs, column by column.
func (o *Outline) mask() []bool {
	mask := make([]bool, 0, o.Width*o.Height)
	for i, n := range o.Runs {
		for range n {
			mask = append(mask, i%2 == 1)
		}
	}
	return mask
}

// LoadOutlines reads the outlines of a set that was opened without them.
func (s *Set) LoadOutlines() error {
	if s.options.Outlines {
		return nil
	}
	o := s.options
	o.Outlines = true
	l, err := newListing(s.tree, o)
	if err == nil {
		err = l.describe()
	}
	if err != nil {
		return err
	}
	for i := range s.Items {
		if e := l.byKey[s.Items[i].source.Key()]; e != nil && len(e.Boxes) == len(s.Items[i].Boxes) {
			s.Items[i].Boxes = e.Boxes
		}
	}
	s.options.Outlines = true
	return nil
}

// HasOutlines says whether COCO's outlines can serve as maps of labels.
func (s *Set) HasOutlines() bool { return len(s.Categories) > 0 }

// Instances is a map of what COCO's outlines show in a pick: 0 where there is
// nothing, otherwise one more than the place in Categories; the small before the
// large. The set must have been opened with Outlines.
func (s *Set) Instances(p Pick) (*picture.Labels, error) {
	if !s.options.Outlines {
		return nil, fault.Inputf("the set was opened without outlines")
	}
	item := s.Items[p.Index]
	w, h := s.shape(p)
	l := &picture.Labels{Width: w, Height: h, Index: make([]int32, w*h)}
	size := item.size(s.Size)
	part := s.window(size, p)
	x := func(i int) float64 {
		if p.Mirror {
			i = w - 1 - i
		}
		return (part.X0 + (float64(i)+0.5)*(part.X1-part.X0)/float64(w)) / float64(size.X)
	}
	y := func(i int) float64 {
		return (part.Y0 + (float64(i)+0.5)*(part.Y1-part.Y0)/float64(h)) / float64(size.Y)
	}
	boxes := slices.Clone(item.Boxes)
	slices.SortStableFunc(boxes, func(a, b Box) int { return cmp.Compare(b.W*b.H, a.W*a.H) })
	for _, b := range boxes {
		if b.Outline != nil {
			b.Outline.paint(l, int32(b.Class)+1, x, y)
		}
	}
	return l, nil
}
