package data

import (
	"slices"
	"testing"
)

func TestRuns(t *testing.T) {
	want := []uint32{11, 4, 5, 4, 5, 4, 1, 1, 3, 4, 1, 1, 8, 1, 1, 1, 6, 1, 1}
	if got := unpackRuns(";45000LM23NM70I050K"); !slices.Equal(got, want) { // packed by COCO's own tools
		t.Errorf("%v, want %v", got, want)
	}
}

// TestInstances: polygons and runs become the same map, cut and mirrored as the
// picture is; the small lies before the large.
func TestInstances(t *testing.T) {
	square := `[[2,2,6,2,6,6,2,6]]`
	runs := `{"size":[8,16],"counts":[18,4,4,4,4,4,4,4,82]}`
	for _, shape := range []string{square, runs} {
		dir := lay(t, map[string]string{"x.png": encode(ramp(16, 8)), "instances.json": `{"images":[{"id":1,"file_name":"x.png","width":16,"height":8}],
			"categories":[{"id":5,"name":"a"},{"id":9,"name":"b"}],
			"annotations":[{"image_id":1,"category_id":9,"bbox":[2,2,4,4],"segmentation":` + shape + `},
			{"image_id":1,"category_id":5,"bbox":[0,0,16,8],"segmentation":[[0,0,16,0,16,8,0,8]]}]}`})
		s, err := OpenSet(dir, Options{Size: 8, RandomCrop: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.LoadOutlines(); err != nil {
			t.Fatal(err)
		}
		for _, p := range []Pick{{}, {Mirror: true}} {
			l, err := s.Instances(p)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range l.Index {
				x, y := i%8, i/8
				if p.Mirror {
					x = 7 - x
				}
				want := int32(1)
				if x >= 2 && x < 6 && y >= 2 && y < 6 {
					want = 2
				}
				if v != want {
					t.Fatalf("%s, mirror %t: pixel %d,%d is %d, want %d", shape, p.Mirror, x, y, v, want)
				}
			}
		}
		again, _ := OpenSet(dir, Options{Size: 8, Outlines: true, RandomCrop: true})
		if s.Digest() != again.Digest() {
			t.Error("the digest changes by itself")
		}
	}
	for _, bad := range []string{`{"size":[8,16],"counts":[1,2]}`, `{"size":[0,16],"counts":"x"}`, `{"size":[99999999,99999999],"counts":[]}`, `"x"`} {
		if _, err := parseOutline([]byte(bad), 16, 8); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzOutline(f *testing.F) {
	f.Add(`{"size":[9,7],"counts":";45000LM23NM70I050K"}`)
	f.Add(`[[1,2,3,4,5,6],[1]]`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 0 {
			parseOutline([]byte(text), 16, 8)
		}
	})
}
