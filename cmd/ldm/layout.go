package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
)

// layoutFlags are those of pictures of boxes.
type layoutFlags struct {
	drawFlags
	boxes       []string
	file, image string
	numbers     map[string]int // of the categories of a file, by name
}

func layout2img() *cobra.Command {
	var f layoutFlags
	cmd := &cobra.Command{
		Use:   "layout2img -m MODEL --box CLASS:X,Y,WIDTH,HEIGHT...",
		Short: "Make a picture of boxes that say what is where",
		Long: `Makes a picture of boxes. On the command line each is a class, by its number or its name
in the model's file, and its left upper corner, width and height in shares of the picture;
CLASS+ stands for a group. --boxes reads them from a file in COCO's form (instances_*.json),
where --image-id chooses the picture if there are several.`,
		Example: "  ldm layout2img -m layout2img_openimages256/model.ckpt --box 12:0.1,0.2,0.5,0.6 --box 88:0,0.7,1,0.3\n" +
			"  ldm layout2img -m runs/layout/model.safetensors --boxes instances_val2017.json --image-id 139",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.text(cmd, args); err != nil {
				return err
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			if f.model.path == "" {
				return fault.Inputf("which model? want --model FILE of layouts; the emoji model in this program is one of texts")
			}
			boxes, err := f.read()
			if err != nil {
				return err
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				if len(m.Classes()) == 0 && f.numbers != nil {
					f.number(boxes)
				}
				r.Condition = boxes
				return nil, nil
			})
		},
	}
	f.register(cmd)
	f.input("boxes")
	cmd.Flags().StringArrayVar(&f.boxes, "box", nil, "a class and a box, as cat:0.1,0.2,0.5,0.6; may be given several times")
	cmd.Flags().StringVar(&f.file, "boxes", "", "JSON file in COCO's form")
	cmd.Flags().StringVar(&f.image, "image-id", "", "of --boxes, the id or file name of the picture whose boxes are taken")
	return cmd
}

// number gives boxes of a file the numbers of its categories, for a model that has no
// names.
func (f *layoutFlags) number(boxes ldm.Layout) {
	f.remarkOnce("the model names no classes: the categories of " + f.file + " count by their ids, from 0")
	for i, b := range boxes {
		boxes[i].Class, boxes[i].Name = f.numbers[b.Name], ""
	}
}

func (f *layoutFlags) read() (ldm.Layout, error) {
	switch {
	case f.file == "" && len(f.boxes) == 0:
		return nil, fault.Inputf("what is where? want --box CLASS:X,Y,WIDTH,HEIGHT, or --boxes FILE")
	case f.file != "" && len(f.boxes) > 0:
		return nil, fault.Inputf("--box and --boxes: want one of them")
	case f.file == "" && f.image != "":
		return nil, fault.Inputf("--image-id %s goes with --boxes", f.image)
	case f.file != "":
		return f.readCOCO()
	}
	var out ldm.Layout
	for _, text := range f.boxes {
		b, err := parseBox(text)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// parseBox reads cat:0.1,0.2,0.5,0.6.
func parseBox(text string) (ldm.Box, error) {
	at := strings.LastIndexByte(text, ':')
	values := strings.Split(text[at+1:], ",")
	if at < 1 || len(values) != 4 {
		return ldm.Box{}, fault.Inputf("--box %s: want a class and a box, as cat:0.1,0.2,0.5,0.6", text)
	}
	name, group := strings.CutSuffix(strings.TrimSpace(text[:at]), "+")
	b := boxOf(name)
	b.Group = group
	for i, to := range []*float64{&b.X, &b.Y, &b.Width, &b.Height} {
		v, err := strconv.ParseFloat(strings.TrimSpace(values[i]), 64)
		if err != nil {
			return b, fault.Inputf("--box %s: %q is no number", text, values[i])
		}
		*to = v
	}
	if err := checkBox(b); err != nil {
		return b, fault.Inputf("--box %s: %w", text, err)
	}
	return b, nil
}

// boxOf is a box of a class by its number or name.
func boxOf(class string) ldm.Box {
	if n, err := strconv.Atoi(class); err == nil {
		return ldm.Box{Class: n}
	}
	return ldm.Box{Name: class}
}

func checkBox(b ldm.Box) error {
	const rounding = 1e-6
	if !(b.X >= 0 && b.Y >= 0 && b.Width > 0 && b.Height > 0 && b.X+b.Width <= 1+rounding && b.Y+b.Height <= 1+rounding) {
		return fault.Inputf("the box %g,%g,%g,%g is not in the picture: want shares of its width and height from 0 to 1, its corner first", b.X, b.Y, b.Width, b.Height)
	}
	return nil
}

// instances is what is read of COCO's form.
type instances struct {
	Images []struct {
		ID            json.Number `json:"id"`
		Name          string      `json:"file_name"`
		Width, Height float64
	}
	Annotations []struct {
		Image    json.Number `json:"image_id"`
		Category json.Number `json:"category_id"`
		Box      []float64   `json:"bbox"`
		Crowd    any         `json:"iscrowd"`
	}
	Categories []category
}

type category struct {
	ID   json.Number `json:"id"`
	Name string      `json:"name"`
}

const maxBoxes = 1 << 30 // bytes of a file

// readCOCO reads the boxes of a picture, the largest first as the reference's sets have
// them.
func (f *layoutFlags) readCOCO() (ldm.Layout, error) {
	if st, err := os.Stat(f.file); err == nil && st.Size() > maxBoxes {
		return nil, fault.Inputf("%s has more than %d bytes", f.file, maxBoxes)
	}
	raw, err := os.ReadFile(f.file)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	var c instances
	if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\ufeff")), &c); err != nil || c.Annotations == nil || c.Images == nil {
		return nil, fault.Filef("%s is no file of boxes in COCO's form (images, annotations, categories)", f.file)
	}
	if len(c.Images) > 1 && f.image == "" {
		return nil, fault.Inputf("%s has %d pictures: want --image-id, as %s", f.file, len(c.Images), c.Images[0].ID)
	}
	for _, img := range c.Images {
		if f.image == "" || f.image == img.ID.String() || f.image == img.Name {
			f.numbers = c.numbers()
			return c.boxes(f.file, img.ID, img.Width, img.Height)
		}
	}
	return nil, fault.Inputf("%s has no picture %s: want the id or file name of one of %d, as %s", f.file, f.image, len(c.Images), c.Images[0].ID)
}

// numbers are the places of the categories in the order of their ids.
func (c *instances) numbers() map[string]int {
	list := slices.Clone(c.Categories)
	slices.SortStableFunc(list, func(a, b category) int {
		x, _ := a.ID.Int64()
		y, _ := b.ID.Int64()
		return cmp.Compare(x, y)
	})
	out := map[string]int{}
	for i, t := range list {
		out[t.Name] = i
	}
	return out
}

func (c *instances) boxes(file string, image json.Number, width, height float64) (ldm.Layout, error) {
	if !(width > 0 && height > 0) {
		return nil, fault.Filef("%s: picture %s has no width and height", file, image)
	}
	names := map[json.Number]string{}
	for _, t := range c.Categories {
		names[t.ID] = t.Name
	}
	var out ldm.Layout
	for i, a := range c.Annotations {
		if a.Image != image {
			continue
		}
		name, known := names[a.Category]
		if !known {
			return nil, fault.Filef("%s: annotation %d has category_id %s, which categories do not have", file, i, a.Category)
		}
		if len(a.Box) != 4 {
			return nil, fault.Filef("%s: annotation %d has no bbox of four numbers", file, i)
		}
		b := ldm.Box{Name: name, X: a.Box[0] / width, Y: a.Box[1] / height, Width: a.Box[2] / width, Height: a.Box[3] / height,
			Group: a.Crowd == true || a.Crowd == 1.0}
		if err := checkBox(b); err != nil {
			return nil, fmt.Errorf("%s: annotation %d: %w", file, i, err)
		}
		out = append(out, b)
	}
	if len(out) == 0 {
		return nil, fault.Inputf("%s has no boxes for picture %s", file, image)
	}
	slices.SortStableFunc(out, func(a, b ldm.Box) int { return cmp.Compare(b.Width*b.Height, a.Width*a.Height) })
	return out, nil
}
