package emoji

import (
	"context"
	_ "embed"
	"fmt"
	"hash/fnv"
	"image"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/image/draw"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
)

// heldOutCaptions are those that no model may have seen: of emoji that are held out,
// and of compositions. They were fixed before the first training with compositions.
//
//go:embed held-out.txt
var heldOutCaptions string

// HeldOut lists the captions of the test split.
func HeldOut() []string { return strings.Split(strings.TrimSpace(heldOutCaptions), "\n") }

// composition is a picture made of emoji: one in another colour, with something on, or
// beside another one.
type composition struct {
	base  emoji
	paint *paint
	wears *accessory
	other *emoji
}

// face is where an emoji's eyes and forehead are, in shares of its size from the top,
// and how wide glasses and hats are on it.
type face struct{ eyes, brow, width float64 }

// faces are those that look straight at us.
var faces = map[string]face{
	"1f431": {.46, .32, .62}, "1f436": {.43, .22, .52}, "1f42e": {.41, .2, .54}, "1f42f": {.47, .25, .6},
	"1f435": {.47, .27, .5}, "1f437": {.47, .3, .62}, "1f438": {.27, .14, .66}, "1f439": {.55, .42, .52},
	"1f43a": {.45, .32, .52}, "1f43b": {.47, .28, .6}, "1f43b-200d-2744": {.47, .28, .6}, "1f43c": {.47, .26, .62},
	"1f98a": {.48, .34, .54}, "1f428": {.48, .3, .5}, "1f99d": {.53, .34, .56}, "1f600": {.33, .16, .7},
	"1f60a": {.36, .16, .7}, "1f610": {.35, .16, .7}, "1f642": {.35, .16, .7}, "1f916": {.4, .2, .6},
	"1f47d": {.42, .2, .62}, "1f480": {.45, .24, .6}, "1f921": {.34, .18, .52}, "1f31d": {.4, .18, .62},
}

// accessory is an emoji that faces wear.
type accessory struct {
	hexcode string
	hat     bool    // above the brow, or before the eyes
	width   float64 // of a face's
}

var accessories = []accessory{
	{"1f576", false, 1}, {"1f453", false, 1}, {"1f3a9", true, .9}, {"1f451", true, .8}, {"1f9e2", true, .95},
}

// captions are the main one and one with articles.
func (c composition) captions(labels map[string]string) []string {
	name := c.base.Text
	if c.paint != nil {
		name = c.paint.name + " " + name
	}
	long := article(name) + name
	switch {
	case c.wears != nil:
		what := labels[c.wears.hexcode]
		with := article(what) + what
		if strings.HasSuffix(what, "glasses") {
			with = what
		}
		return []string{name + " with " + what, long + " with " + with}
	case c.other != nil:
		return []string{name + " and " + c.other.Text, long + " and " + article(c.other.Text) + c.other.Text}
	}
	return []string{name, long}
}

func article(name string) string {
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an "
	}
	return "a "
}

// file is the composition's name among files.
func (c composition) file() string {
	name := "composed-" + c.base.hexcode
	if c.paint != nil {
		name += "-" + c.paint.name
	}
	if c.wears != nil {
		name += "-" + c.wears.hexcode
	}
	if c.other != nil {
		name += "-" + c.other.hexcode
	}
	return name + ".png"
}

// chance is a number in [0, 1) that is always the same for a composition.
func (c composition) chance() float64 {
	h := fnv.New32a()
	io.WriteString(h, c.file())
	return float64(h.Sum32()>>8) / (1 << 24)
}

// colorable tells whether an emoji in another colour has a name that says so: no
// people, symbols and flags, and nothing that is named by its colour.
func (e emoji) colorable() bool {
	if !slices.Contains([]int{0, 3, 4, 5, 6, 7}, e.Group) {
		return false
	}
	for _, word := range strings.FieldsFunc(e.Text, func(r rune) bool { return r == ' ' || r == '-' }) {
		if slices.ContainsFunc(paints, func(p paint) bool { return p.name == word }) || slices.Contains([]string{"black", "white", "brown", "grey", "heart", "hearts"}, word) {
			return false
		}
	}
	return true
}

// Shares of all compositions that are drawn for training.
const (
	shareColored = .5  // of the emoji in each colour
	shareWearing = .5  // of coloured faces that wear something
	sharePairs   = .45 // of the pairs that each emoji could be the first of
	partners     = 3   // emoji that each could be beside
)

// compositions lists those of the emoji: what is held out, and a share of the others.
func compositions(list []emoji) (train, test []composition, labels map[string]string) {
	labels = map[string]string{}
	for _, e := range list {
		labels[e.hexcode] = e.Text
	}
	var all []composition
	var colorable []emoji
	for _, e := range list {
		if !e.colorable() {
			continue
		}
		colorable = append(colorable, e)
		for i := range paints {
			all = append(all, composition{base: e, paint: &paints[i]})
		}
		if _, ok := faces[e.hexcode]; !ok {
			continue
		}
		for k := range accessories {
			a := &accessories[k]
			if labels[a.hexcode] == "" {
				continue
			}
			all = append(all, composition{base: e, wears: a})
			for i := range paints {
				all = append(all, composition{base: e, paint: &paints[i], wears: a})
			}
		}
	}
	all = append(all, pairs(list, colorable)...)
	held := map[string]bool{}
	for _, caption := range HeldOut() {
		held[caption] = true
	}
	for _, c := range all {
		share := 1.
		switch {
		case c.paint != nil && c.wears != nil:
			share = shareWearing
		case c.paint != nil:
			share = shareColored
		}
		switch {
		case held[c.captions(labels)[0]]:
			test = append(test, c)
		case c.chance() < share:
			train = append(train, c)
		}
	}
	return train, test, labels
}

// pairs puts emoji side by side: those that are held out, and some at random.
func pairs(list, colorable []emoji) []composition {
	byName := map[string]*emoji{}
	for i := range list {
		byName[list[i].Text] = &list[i]
	}
	var out []composition
	for _, caption := range HeldOut() {
		one, two, _ := strings.Cut(caption, " and ")
		if byName[one] != nil && byName[two] != nil {
			out = append(out, composition{base: *byName[one], other: byName[two]})
		}
	}
	there := map[string]bool{}
	for i, e := range colorable {
		for k := range partners {
			h := fnv.New64a()
			fmt.Fprintf(h, "pair %d %s", k, e.hexcode)
			sum := h.Sum64()
			c := composition{base: colorable[i], other: &colorable[int(sum%uint64(len(colorable)))]}
			if float64(sum>>40)/(1<<24) < sharePairs && c.other.hexcode != e.hexcode && !there[c.file()] && !slices.Contains(HeldOut(), e.Text+" and "+c.other.Text) {
				there[c.file()] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// draw makes the picture on a square of side pixels, from the emoji of hexcodes.
func (c composition) draw(side float64, of func(hexcode string) (*image.NRGBA, error)) (image.Image, error) {
	base, err := of(c.base.hexcode)
	if err != nil {
		return nil, err
	}
	if c.paint != nil {
		base = c.paint.recolor(base)
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, int(side), int(side)))
	put := func(img image.Image, x, y, size float64) {
		r := image.Rect(int(x*side), int(y*side), int((x+size)*side), int((y+size)*side))
		draw.CatmullRom.Scale(canvas, r, img, img.Bounds(), draw.Over, nil)
	}
	switch {
	case c.other != nil:
		other, err := of(c.other.hexcode)
		if err != nil {
			return nil, err
		}
		put(base, 0, .24, .52)
		put(other, .48, .24, .52)
		return canvas, nil
	case c.wears == nil:
		put(base, 0, 0, 1)
		return canvas, nil
	}
	thing, err := of(c.wears.hexcode)
	if err != nil {
		return nil, err
	}
	f := faces[c.base.hexcode]
	if !c.wears.hat {
		put(base, 0, 0, 1)
		width := f.width * c.wears.width * 1.1
		put(thing, .5-width/2, f.eyes-width/2, width)
		return canvas, nil
	}
	const small = .8 // leaves room for a hat
	put(base, (1-small)/2, 1-small, small)
	width := small * f.width * c.wears.width
	put(thing, .5-width/2, 1-small+small*(f.brow+.06)-width*.88, width)
	return canvas, nil
}

// write draws the picture into a file of a folder that appears when it is whole.
func (c composition) write(path string, size int, side float64, of func(string) (*image.NRGBA, error)) error {
	img, err := c.draw(side, of)
	if err != nil {
		return err
	}
	raw, err := picture.Encode(picture.Square(img, size), container.PNG, picture.Options{})
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o666)
}

// writeCompositions draws a list into a folder, and returns what is said of them.
func writeCompositions(ctx context.Context, folder string, list []composition, labels map[string]string, pictures map[string]files.File, size int, done func()) ([]emoji, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	side := 2 * size // the square is smoothed as it is made small
	of := func(hexcode string) (*image.NRGBA, error) {
		f, there := pictures[hexcode]
		if !there {
			return nil, fault.Filef("there is no picture of the emoji %s", hexcode)
		}
		raw, err := f.Read(maxFile)
		if err != nil {
			return nil, err
		}
		img, err := picture.DecodeBytes(raw)
		if err != nil || img.Rect.Dx() <= side {
			return img, err
		}
		small := image.NewNRGBA(image.Rect(0, 0, side, side))
		draw.CatmullRom.Scale(small, small.Rect, img, img.Rect, draw.Src, nil)
		return small, nil
	}
	made := make([]emoji, len(list))
	var wg sync.WaitGroup
	work := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				c := list[i]
				if err := c.write(filepath.Join(folder, c.file()), size, float64(side), of); err != nil {
					stop(fmt.Errorf("%s: %w", c.file(), err))
					continue
				}
				texts := c.captions(labels)
				made[i] = emoji{FileName: c.file(), Text: texts[0], Texts: texts[1:], Base: c.base.Base, Group: c.base.Group, Composed: true}
				done()
			}
		})
	}
	for i := range list {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	return made, context.Cause(ctx)
}
