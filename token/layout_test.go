package token

import (
	"math"
	"slices"
	"testing"
)

var fullCrop = [4]float64{0, 0, 1, 1}

func TestLayout(t *testing.T) {
	l := NewLayout(183)
	ids := make([]int32, 92)
	objects := []Object{
		{Class: 5, Box: [4]float64{0, 0, 1, 1}},
		// x and y are 44.5 sections: the even neighbour is 44.
		{Class: 182, Box: [4]float64{0.5, 0.5, 0.25, 0.5}, GroupOf: true},
		{Class: 1, Box: [4]float64{0.3, 0.2, 0, 0.1}}, // no area
		{Class: 0, Box: [4]float64{0.9, 0.2, 0.1 + 1e-9, 0.3}},
	}
	if err := l.Encode(objects, fullCrop, ids); err != nil {
		t.Fatal(err)
	}
	want := []int32{5, 0, 8099, 365, 44*90 + 44, 89*90 + 67, 0, 18*90 + 80, 44*90 + 89}
	for len(want) < 90 {
		want = append(want, 8191)
	}
	if want = append(want, 0, 8099); !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}

	crop := [4]float64{0, 0, 0.5, 1} // only the first object is to be seen
	if err := l.Encode(objects, crop, ids); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids[:4], []int32{5, 0, 8099, 8191}) || !slices.Equal(ids[90:], []int32{0, 89*90 + 44}) {
		t.Error("through a crop:", ids)
	}
}

func TestLayoutErrors(t *testing.T) {
	l := NewLayout(10)
	ids := make([]int32, l.Len())
	ok := Object{Box: fullCrop}
	if err := l.Encode(slices.Repeat([]Object{ok}, 30), fullCrop, ids); err != nil {
		t.Error(err)
	}
	box := func(x, y, w, h float64) []Object { return []Object{{Box: [4]float64{x, y, w, h}}} }
	for name, err := range map[string]error{
		"31 objects":     l.Encode(slices.Repeat([]Object{ok}, 31), fullCrop, ids),
		"91 ids":         l.Encode(nil, fullCrop, ids[:91]),
		"class -1":       l.Encode([]Object{{Class: -1, Box: fullCrop}}, fullCrop, ids),
		"class 10":       l.Encode([]Object{{Class: 10, Box: fullCrop}}, fullCrop, ids),
		"left of it":     l.Encode(box(-0.1, 0, 0.5, 0.5), fullCrop, ids),
		"below it":       l.Encode(box(0, 0.6, 0.5, 0.5), fullCrop, ids),
		"NaN":            l.Encode(box(0, math.NaN(), 0.5, 0.5), fullCrop, ids),
		"NaN size":       l.Encode(box(0, 0, math.NaN(), 0.5), fullCrop, ids),
		"infinite":       l.Encode(box(0, 0, math.Inf(1), 0.5), fullCrop, ids),
		"negative size":  l.Encode(box(0.5, 0, -0.1, 0.5), fullCrop, ids),
		"empty crop":     l.Encode(nil, [4]float64{}, ids),
		"crop too large": l.Encode(nil, [4]float64{0.5, 0, 1, 1}, ids),
		"no vocabulary":  Layout{MaxObjects: 30, Classes: 1}.Encode(nil, fullCrop, ids),
		"the class is the none token": Layout{Tokens: 20, MaxObjects: 30, Classes: 10}.Encode(
			[]Object{{Class: 9, Box: fullCrop, GroupOf: true}}, fullCrop, ids),
	} {
		if err == nil {
			t.Error(name, "is accepted")
		}
	}
}
