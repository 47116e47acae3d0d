package token

import (
	"fmt"
	"math"
)

// overhang is by how much a box may leave the picture through rounding.
const overhang = 1e-6

// Layout turns the objects of a picture into the tokens of layout-to-image
// models, as ObjectsBoundingBoxConditionalBuilder of Taming Transformers
// (github.com/CompVis/taming-transformers) does with its crop encoded: three
// tokens an object, its class and the top-left and bottom-right corners of its
// box, MaxObjects times, then the two corners of the crop. The last token stands
// for a missing object, three times.
//
// What is assumed: boxes are relative to the whole picture, not to the crop.
// Objects stay in the caller's order, where the reference shuffles them. As in
// the reference, an object of which the crop shows nothing, one without area
// among them, is left out, and what a box has beyond the picture is cut off. Of
// the reference's flags only group-of is there, since the published models use
// no others. Class numbers are those of the data a model was trained on.
type Layout struct {
	Tokens     int // size of the vocabulary
	MaxObjects int
	Classes    int // number of classes, group-of aside
}

// Object is one thing in a picture.
type Object struct {
	Class   int
	Box     [4]float64 // x, y, width and height in [0, 1], y downwards
	GroupOf bool       // the box holds several of the class
}

// NewLayout is the layout of the published models, which differ in their
// classes only: 8192 tokens and at most 30 objects.
func NewLayout(classes int) Layout {
	return Layout{Tokens: 8192, MaxObjects: 30, Classes: classes}
}

// Len is the number of tokens that Encode writes.
func (l Layout) Len() int { return 3*l.MaxObjects + 2 }

// Encode writes the tokens of objects seen through a crop to ids, which has
// length Len. The whole picture is the crop {0, 0, 1, 1}.
func (l Layout) Encode(objects []Object, crop [4]float64, ids []int32) error {
	if l.Tokens < 4 || l.Tokens > math.MaxInt32 || l.MaxObjects < 0 || l.Classes < 1 {
		return fmt.Errorf("layout of %d tokens, %d objects and %d classes", l.Tokens, l.MaxObjects, l.Classes)
	}
	if len(ids) != l.Len() {
		return fmt.Errorf("layout: %d ids for %d tokens", len(ids), l.Len())
	}
	if len(objects) > l.MaxObjects {
		return fmt.Errorf("layout: %d objects, at most %d are allowed", len(objects), l.MaxObjects)
	}
	if err := checkBox(crop); err != nil {
		return fmt.Errorf("layout: crop: %w", err)
	}
	if overlap(crop, crop) == 0 {
		return fmt.Errorf("layout: crop %v has no area", crop)
	}
	tokens := make([]int32, 0, l.Len())
	for i, o := range objects {
		class, err := l.class(o)
		if err == nil {
			err = checkBox(o.Box)
		}
		if err != nil {
			return fmt.Errorf("layout: object %d: %w", i, err)
		}
		if overlap(o.Box, crop) > 0 {
			tokens = append(append(tokens, class), l.corners(o.Box)...)
		}
	}
	for len(tokens) < 3*l.MaxObjects {
		tokens = append(tokens, int32(l.Tokens-1))
	}
	copy(ids, append(tokens, l.corners(crop)...))
	return nil
}

// class is an object's first token.
func (l Layout) class(o Object) (int32, error) {
	if o.Class < 0 || o.Class >= l.Classes {
		return 0, fmt.Errorf("class %d of %d", o.Class, l.Classes)
	}
	token := o.Class
	if o.GroupOf {
		token += l.Classes
	}
	if token >= l.Tokens-1 {
		return 0, fmt.Errorf("class %d would be token %d of %d, of which the last means none", o.Class, token, l.Tokens)
	}
	return int32(token), nil
}

// corners are the tokens of a box's top-left and bottom-right corners.
func (l Layout) corners(box [4]float64) []int32 {
	right := box[0] + min(box[2], 1-box[0])
	bottom := box[1] + min(box[3], 1-box[1])
	return []int32{l.corner(box[0], box[1]), l.corner(right, bottom)}
}

// corner numbers the points of a square grid row by row. Python's round, like
// this one, takes halves to the even neighbour.
func (l Layout) corner(x, y float64) int32 {
	sections := math.Floor(math.Sqrt(float64(l.Tokens)))
	column := math.RoundToEven(x * (sections - 1))
	row := math.RoundToEven(y * (sections - 1))
	return int32(row*sections + column)
}

// checkBox accepts a box that lies in the picture.
func checkBox(box [4]float64) error {
	for axis := range 2 {
		at, size := box[axis], box[axis+2]
		// The comparisons are false for NaN.
		if !(at >= 0 && at <= 1 && size >= 0 && at+size <= 1+overhang) {
			return fmt.Errorf("box %v is not in the picture", box)
		}
	}
	return nil
}

// overlap is the area that two boxes share.
func overlap(a, b [4]float64) float64 {
	area := 1.0
	for axis := range 2 {
		end := min(a[axis]+a[axis+2], b[axis]+b[axis+2])
		area *= max(0, end-max(a[axis], b[axis]))
	}
	return area
}
