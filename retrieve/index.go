package retrieve

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Method is how Search looks for neighbours.
type Method string

// The methods.
const (
	Auto        Method = ""            // approximately where there are more than Large pictures and an index, else exactly
	Exact       Method = "exact"       // every vector is multiplied
	Approximate Method = "approximate" // those of the nearest lists of an index alone
)

// ParseMethod reads a method's name.
func ParseMethod(text string) (Method, error) {
	switch m := Method(strings.ToLower(strings.TrimSpace(text))); m {
	case Auto, Exact, Approximate:
		return m, nil
	case "auto":
		return Auto, nil
	}
	return Auto, fault.Inputf("search %q: want auto, exact or approximate", text)
}

// Large is the number of pictures from which on a database gets an index without being
// asked, and is searched by it.
const Large = 1_000_000

// A search looks into one of so many lists, and into at least so many.
const (
	shareSearched = 25
	leastSearched = 32
)

// index has the pictures in lists, each by the direction that it is nearest to: an inverted
// file, as the partitions of the searcher that the reference takes (ScaNN).
type index struct {
	centres *tensor.Tensor // [lists, D], of norm 1
	starts  []int32        // of the lists among members, and behind the last
	members []int32        // the pictures, list by list
}

// The names in a database's file of an index.
const (
	nameCentres = "index.centres"
	nameStarts  = "index.starts"
	nameMembers = "index.members"
)

// Indexed tells whether there is an index.
func (d *Database) Indexed() bool { return d.index != nil }

// SetMethod settles how Search looks.
func (d *Database) SetMethod(m Method) error {
	if m == Approximate && !d.Indexed() {
		return fault.Inputf("the database has no index for approximate search: ldm retrieve index DATABASE --approximate gives it one")
	}
	d.method = m
	return nil
}

// approximately tells whether Search goes by the index.
func (d *Database) approximately() bool {
	return d.method == Approximate || d.method == Auto && d.Len() > Large && d.Indexed()
}

// among finds the k nearest in the lists whose directions are nearest, of which it takes as
// many as have k pictures: not always all of the nearest.
func (d *Database) among(ctx context.Context, q []float32, norm float64, k int) ([]Neighbour, error) {
	x := d.index
	lists := make([]Neighbour, x.centres.Shape[0])
	for i := range lists {
		lists[i] = Neighbour{i, float64(vec.Dot(q, x.centres.Row(i).F32))}
	}
	sortNearest(lists)
	var places []int32
	for n, list := range lists {
		if n >= max(leastSearched, len(lists)/shareSearched) && len(places) >= k {
			break
		}
		places = append(places, x.members[x.starts[list.Index]:x.starts[list.Index+1]]...)
	}
	return d.best(ctx, q, norm, k, len(places), func(i int) int { return int(places[i]) })
}

// write adds the index to the tensors of a file.
func (x *index) write(tensors map[string]*tensor.Tensor) {
	tensors[nameCentres] = x.centres
	tensors[nameStarts] = &tensor.Tensor{Shape: tensor.Shape{len(x.starts)}, I32: x.starts}
	tensors[nameMembers] = &tensor.Tensor{Shape: tensor.Shape{len(x.members)}, I32: x.members}
}

// readIndex reads the index of a file, if there is one: lists in which every picture is
// once.
func (d *Database) readIndex(f *checkpoint.File) error {
	if _, ok := f.Info(nameCentres); !ok {
		return nil
	}
	x, n := &index{}, d.Len()
	for name, to := range map[string]*[]int32{nameStarts: &x.starts, nameMembers: &x.members} {
		if info, ok := f.Info(name); !ok || info.Shape.Size() > n+1 {
			return fault.Filef("%s of shape %v: want whole numbers, at most one more than the %d pictures", name, info.Shape, n)
		}
		t, err := f.Read(name)
		if err != nil {
			return err
		}
		*to = t.I32
	}
	if info, _ := f.Info(nameCentres); len(info.Shape) != 2 || info.Shape[0] != len(x.starts)-1 || info.Shape[0] < 1 || info.Shape[1] != d.Width() {
		return fault.Filef("%s has shape %v: want [%d, %d]", nameCentres, info.Shape, len(x.starts)-1, d.Width())
	}
	centres, err := f.Read(nameCentres)
	if err != nil {
		return err
	}
	x.centres = centres.Float32()
	for i, v := range x.centres.F32 {
		if v-v != 0 {
			return fault.Filef("%s: element %d is %g", nameCentres, i, v)
		}
	}
	if x.starts[0] != 0 || !slices.IsSorted(x.starts) || int(x.starts[len(x.starts)-1]) != n || len(x.members) != n {
		return fault.Filef("%s and %s are no lists of %d pictures", nameStarts, nameMembers, n)
	}
	seen := make([]bool, n)
	for _, m := range x.members {
		if m < 0 || int(m) >= n || seen[m] {
			return fault.Filef("%s: picture %d is not there, or in two lists", nameMembers, m)
		}
		seen[m] = true
	}
	d.index = x
	return nil
}

// lists is the number of lists for so many pictures: so many that a search multiplies about
// as many directions as pictures.
func lists(pictures int) int { return min(max(int(4*math.Sqrt(float64(pictures))), 1), pictures) }

// listsOf makes an index of what list each picture is in.
func listsOf(centres *tensor.Tensor, list []int32) *index {
	x := &index{centres: centres, starts: make([]int32, centres.Shape[0]+1), members: make([]int32, len(list))}
	for i := range x.members {
		x.members[i] = int32(i)
		x.starts[list[i]+1]++
	}
	for i := range centres.Shape[0] {
		x.starts[i+1] += x.starts[i]
	}
	slices.SortStableFunc(x.members, func(a, b int32) int { return cmp.Compare(list[a], list[b]) })
	return x
}
