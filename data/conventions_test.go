package data

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

// tiny is a picture of 4x4 pixels.
var tiny = func() string {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4)))
	return b.String()
}()

// lay writes files; the content "*" stands for a picture.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o777)
		if content == "*" {
			content = tiny
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// show is a set in a line: file, class, repeats, captions.
func show(s *Set, dir string) string {
	var list []string
	for _, it := range s.Items {
		class := "-"
		if it.Class >= 0 {
			class = s.Classes[it.Class]
		}
		name := filepath.ToSlash(strings.TrimPrefix(it.File, dir+string(filepath.Separator)))
		text := fmt.Sprintf("%s[%s]%s", name, class, strings.Join(it.Texts, "|"))
		if it.Repeats != 1 {
			text += fmt.Sprintf("x%d", it.Repeats)
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// TestConventions: captions, classes and repeats where people have them.
func TestConventions(t *testing.T) {
	two := map[string]string{"x.png": "*", "y.png": "*"}
	with := func(base map[string]string, more ...string) map[string]string {
		m := map[string]string{}
		for k, v := range base {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	line := func(s string) map[string]string { return with(two, "metadata.jsonl", s) }
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"text":              {line(`{"file_name":"x.png","text":"one"}`), "x.png[-]one"},
		"caption":           {line(`{"file_name":"x.png","caption":"one"}`), "x.png[-]one"},
		"caption_text":      {line(`{"file_name":"x.png","caption_text":"one"}`), "x.png[-]one"},
		"prompt":            {line(`{"file_name":"x.png","prompt":"one"}`), "x.png[-]one"},
		"texts alone":       {line(`{"file_name":"x.png","texts":["one","two"]}`), "x.png[-]one|two"},
		"a list under text": {line(`{"file_name":"x.png","text":["one","two"]}`), "x.png[-]one|two"},
		"null":              {line(`{"file_name":"x.png","text":null,"caption":"one"}`), "x.png[-]one"},
		"captions of two lines": {line(`{"file_name":"x.png","text":"one"}` + "\n" + `{"file_name":"x.png","text":"two"}`),
			"x.png[-]one|two"},
		"mark and CRLF":     {line("\ufeff" + `{"file_name":"x.png","text":"one"}` + "\r\n\r\n" + `{"file_name":"y.png","text":"é"}` + "\r\n"), "x.png[-]one y.png[-]é"},
		"backslashes":       {with(nil, "a/x.png", "*", "metadata.jsonl", `{"file_name":"a\\x.png","text":"one"}`), "a/x.png[-]one"},
		"label":             {line(`{"file_name":"x.png","label":"cat"}` + "\n" + `{"file_name":"y.png","label":"ant"}`), "x.png[cat] y.png[ant]"},
		"numbers as labels": {line(`{"file_name":"x.png","label":11}` + "\n" + `{"file_name":"y.png","label":2}`), "x.png[11] y.png[2]"},
		"csv":               {with(two, "metadata.csv", "file_name,text\nx.png,\"one, two\"\n"), "x.png[-]one, two"},
		"csv of Excel":      {with(two, "metadata.csv", "\ufefffile_name;caption\r\nx.png;\"one\r\ntwo\"\r\n"), "x.png[-]one\ntwo"},
		"metadata below":    {with(nil, "a/x.png", "*", "a/metadata.jsonl", `{"file_name":"x.png","text":"one"}`, "b/y.png", "*", "b/metadata.csv", "file_name,text\ny.png,two"), "a/x.png[-]one b/y.png[-]two"},
		"not named":         {with(two, "metadata.jsonl", `{"file_name":"x.png","text":"one"}`, "y.txt", "two"), "x.png[-]one y.png[-]two"},
		"txt":               {with(two, "x.txt", "\ufeffone\r\n", "y.txt", "two\n\nthree\n"), "x.png[-]one y.png[-]two|three"},
		"caption files":     {with(two, "x.caption", "one"), "x.png[-]one y.png[-]"},
		"capitals":          {with(two, "x.TXT", "one", "y.Caption", "two"), "x.png[-]one y.png[-]two"},
		"UTF-16":            {with(two, "x.txt", "\xff\xfeo\x00n\x00e\x00"), "x.png[-]one y.png[-]"},
		"Latin-1":           {with(two, "x.txt", "caf\xe9"), "x.png[-]café y.png[-]"},
		"kohya":             {with(nil, "10_cat/x.png", "*", "10_cat/x.txt", "a cat", "3_dog toy/y.png", "*"), "10_cat/x.png[cat]a catx10 3_dog toy/y.png[dog toy]dog toyx3"},
		"kohya's JSON":      {with(nil, "img/x.png", "*", "img/y.png", "*", "meta_cap.json", `{"/home/a/train/x":{"caption":"one","tags":"a, b"},"y.png":{"tags":"c"}}`), "img/x.png[-]one|a, b img/y.png[-]c"},
		"other JSON":        {with(two, "metadata.json", `{"name":"pictures","x":{"y":1}}`), "x.png[-] y.png[-]"},
		"kohya's GUI":       {with(nil, "img/10_cat/x.png", "*", "log/events", "", "model/m.safetensors", ""), "img/10_cat/x.png[cat]catx10"},
		"numbers as texts":  {line(`{"file_name":"x.png","text":7}`), "x.png[-]7"},
		"other capitals":    {line(`{"file_name":"X.PNG","text":"one"}`), "x.png[-]one"},
		"accents of Macs":   {with(nil, "cafe\u0301/x.png", "*", "metadata.jsonl", `{"file_name":"caf\u00e9/x.png","text":"one"}`), "cafe\u0301/x.png[-]one"},
		"classes of Macs":   {with(nil, "cafe\u0301/x.png", "*"), "cafe\u0301/x.png[caf\u00e9]caf\u00e9"},
		"captions.csv":      {with(two, "captions.csv", "image,caption\nx.png,one\ny.png,two\n"), "x.png[-]one y.png[-]two"},
		"tables of splits":  {with(two, "train.csv", "image,caption\nx.png,one\n", "val.csv", "image,caption\ny.png,two\n"), "x.png[-]one"},
		"other tables":      {with(two, "log.csv", "step,loss\n1,2\n", "notes.jsonl", "{\"a\":1}\n", "broken.csv", "\"\x00"), "x.png[-] y.png[-]"},
		"empty captions":    {line(`{"file_name":"x.png","text":" "}`), "x.png[-]"},
		"a list in JSON":    {with(two, "metadata.json", `[{"file_name":"x.png","text":"one"}]`), "x.png[-]one"},
		"numbered classes":  {with(nil, "1_cat/x.png", "*", "2_dog/y.png", "*"), "1_cat/x.png[1_cat]1_cat 2_dog/y.png[2_dog]2_dog"},
		"splits":            {with(nil, "train/cat/x.png", "*", "validation/dog/y.png", "*", "test/dog/z.png", "*"), "train/cat/x.png[cat]cat"},
		"one split":         {with(nil, "train/x.png", "*", "train/metadata.jsonl", `{"file_name":"x.png","text":"one"}`), "train/x.png[-]one"},
		"splits above":      {with(nil, "train/x.png", "*", "test/y.png", "*", "metadata.jsonl", `{"file_name":"train/x.png","text":"one"}`+"\n"+`{"file_name":"test/y.png","text":"two"}`), "train/x.png[-]one"},
		"hidden":            {with(two, "._x.png", "no", ".DS_Store", "no", "__MACOSX/x.png", "no", ".ipynb_checkpoints/x.png", "no"), "x.png[-] y.png[-]"},
		"other endings":     {with(nil, "x.JPG", "*", "y.jpeg", "*", "z.tiff", "*", "v.mp4", ""), "x.JPG[-] y.jpeg[-] z.tiff[-]"},
		"pairs":             {with(two, "metadata.jsonl", `{"input_file_name":"y.png","target_file_name":"x.png","text":"one"}`), "x.png[-]one"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := lay(t, c.files)
			s, err := Open(dir, 4)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(s, dir); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	dir := lay(t, map[string]string{"train/a/x.png": "*", "val/b/y.png": "*"})
	s, err := OpenSet(dir, Options{Size: 4, Split: "validation"})
	if err != nil || show(s, dir) != "val/b/y.png[b]b" {
		t.Error(show(s, dir), err)
	}
	if _, err := OpenSet(dir, Options{Size: 4, Split: "test"}); !errors.Is(err, fault.Input) {
		t.Error(err)
	}
	if s, err := OpenSet(dir, Options{Size: 4, Split: "validation", Classes: []string{"z", "b"}}); err != nil || s.Items[0].Class != 1 {
		t.Error(err)
	}
	if _, err := OpenSet(dir, Options{Size: 4, Split: "validation", Classes: []string{"a"}}); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("an unknown class: %v", err)
	}
}

func TestSplitByTable(t *testing.T) {
	dir := lay(t, map[string]string{"x.png": "*", "y.png": "*", "train.csv": "file,text\nx.png,one", "val.csv": "file,text\ny.png,two"})
	s, err := OpenSet(dir, Options{Size: 4, Split: "validation"})
	if err != nil || show(s, dir) != "y.png[-]two" {
		t.Error(show(s, dir), err)
	}
}

func TestRequirements(t *testing.T) {
	s, _ := Open(lay(t, map[string]string{"a/x.png": "*", "y.png": "*", "notes.md": ""}), 4)
	if err := s.RequireClasses(); err == nil || !strings.Contains(err.Error(), "y.png has no class") {
		t.Error(err)
	}
	want := "2 pictures, 1 caption (names of folders for 1), 1 without, 1 class, 1 without a class, 1 unused file ("
	if got := s.Summary.String(); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	s, _ = Open(lay(t, map[string]string{"x.png": "*", "metadata.jsonl": `{"file_name":"x.png","blurb":"one"}`}), 4)
	if err := s.RequireCaptions(); err == nil || !strings.Contains(err.Error(), "blurb") {
		t.Error(err)
	}
	if err := s.RequireClasses(); err == nil {
		t.Error("no classes are enough")
	}
}

// TestBroken: pictures whose header does not decode are left out at the start,
// those whose pixels do not are replaced by the next; too many end the run.
func TestBroken(t *testing.T) {
	files := map[string]string{"e.png": tiny[:len(tiny)-20]} // the header is sound
	for _, n := range "abcdfghij" {
		files[string(n)+".png"] = "*"
	}
	files["a.txt"], files["f.txt"] = "text", "other"
	dir := lay(t, files)
	s, err := Open(dir, 4)
	if err != nil || s.Len() != 10 {
		t.Fatal(s, err)
	}
	l := Loader{Set: s, Batch: 10, Seed: 1}
	picks, err := l.Sound(0)
	if err != nil {
		t.Fatal(err)
	}
	f := 0
	for i, p := range picks {
		if p.Index == 4 {
			t.Error("the broken picture is dealt")
		}
		if p.Index == 5 {
			f++
			if p.Text != "other" {
				t.Errorf("place %d has the caption %q of another picture", i, p.Text)
			}
		}
	}
	if f != 2 || len(s.Broken()) != 1 || !strings.Contains(s.Broken()[0].Error(), "e.png") {
		t.Errorf("the next picture came %d times; broken: %v", f, s.Broken())
	}
	if err := l.Images(make([]float32, 10*48), 0); err != nil {
		t.Error(err)
	}
	os.WriteFile(filepath.Join(dir, "a.png"), nil, 0o666)
	if s, err := Open(dir, 4); err != nil || s.Len() != 9 || s.Summary.Broken != 1 {
		t.Errorf("an empty file: %v", err)
	} else if _, err := (&Loader{Set: s, Batch: 9}).Sound(0); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), "a.png") || !strings.Contains(err.Error(), "2 of 10") {
		t.Errorf("two of ten broken: %v", err)
	}
	os.WriteFile(filepath.Join(dir, "b.png"), []byte("<html>"), 0o666)
	if _, err := Open(dir, 4); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), "b.png") {
		t.Errorf("two of ten broken at the start: %v", err)
	}
	if s, err := OpenSet(dir, Options{Size: 4, MaxBroken: 0.5}); err != nil || s.Len() != 8 {
		t.Error(err)
	}
}

func TestWebDataset(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, files ...string) {
		f, _ := os.Create(filepath.Join(dir, name))
		defer f.Close()
		w := tar.NewWriter(f)
		defer w.Close()
		for i := 0; i < len(files); i += 2 {
			content := files[i+1]
			if content == "*" {
				content = tiny
			}
			w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(content)), Mode: 0o644})
			io.WriteString(w, content)
		}
	}
	write("s-0.tar", "./a.png", "*", "./a.cls", "3\n", "./a.txt", "one", "b.c.seg.png", "*", "b.png", "*", "b.json", `{"caption":"two","extra":{"k":[1]}}`, "b.cls", "12")
	write("s-1.tar", "a.png", "*", "a.txt", "three", "a.cls", "3")
	s, err := Open(filepath.Join(dir, "s-{0..1}.tar"), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := show(s, dir); got != "s-0.tar:a.png[3]one s-0.tar:b.png[12]two s-1.tar:a.png[3]three" {
		t.Error(got)
	}
	if len(s.Classes) != 13 || s.Items[1].Class != 12 || s.Items[1].Others["c.seg"].Path() == "" {
		t.Errorf("%v %+v", s.Classes, s.Items[1])
	}
	if err := s.Fill(make([]float32, 48), 2, false); err != nil {
		t.Error(err)
	}
}

// TestRealWebDataset reads a published shard.
func TestRealWebDataset(t *testing.T) {
	const file = "../../shared/real/annotations/webdataset-sample.tgz"
	if _, err := os.Stat(file); err != nil {
		t.Skip(err)
	}
	s, err := Open(file, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Len() != 90 || s.RequireClasses() != nil {
		t.Errorf("%s", s.Summary)
	}
}

func TestZip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.zip")
	f, _ := os.Create(path)
	z := zip.NewWriter(f)
	for _, name := range []string{"set/a/x.png", "set/b/y.png"} {
		w, _ := z.Create(name)
		io.WriteString(w, tiny)
	}
	z.Close()
	f.Close()
	s, err := Open(path, 4)
	if err != nil || strings.Join(s.Classes, " ") != "a b" {
		t.Fatal(s, err)
	}
	defer s.Close()
	if err := s.Fill(make([]float32, 48), 1, false); err != nil {
		t.Error(err)
	}
}

func TestCOCO(t *testing.T) {
	instances := `{"info":{},"images":[{"id":7,"file_name":"x.jpg","width":4,"height":8},{"id":8,"file_name":"y.jpg","width":4,"height":4}],
	 "annotations":[{"id":1,"image_id":7,"category_id":90,"bbox":[1,2,2,4],"iscrowd":0,"segmentation":[[0,0,1,1]]}],
	 "categories":[{"id":90,"name":"toothbrush"},{"id":1,"name":"person"}]}`
	captions := `{"images":[{"id":7,"file_name":"x.jpg"}],"annotations":[{"image_id":7,"id":2,"caption":"one "},{"image_id":7,"id":3,"caption":"two"}]}`
	dir := lay(t, map[string]string{
		"train2017/x.jpg": "*", "train2017/y.jpg": "*", "train2017/z.jpg": "*", "val2017/v.jpg": "*",
		"annotations/instances_train2017.json": instances, "annotations/captions_train2017.json": captions,
		"annotations/instances_val2017.json": `{"images":[{"id":1,"file_name":"v.jpg"}],"annotations":[],"categories":[]}`,
	})
	s, err := Open(dir, 4)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(s, dir); got != "train2017/x.jpg[-]one|two train2017/y.jpg[-]" {
		t.Error(got)
	}
	if strings.Join(s.Categories, " ") != "person toothbrush" || len(s.Items[0].Boxes) != 1 || s.Items[0].Boxes[0] != (Box{1, .25, .25, .5, .5, false, nil}) {
		t.Errorf("%v %v", s.Categories, s.Items[0].Boxes)
	}
	os.WriteFile(filepath.Join(dir, "annotations", "instances_train2017.json"), []byte(instances[:200]), 0o666)
	if _, err := Open(dir, 4); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), "instances_train2017.json") {
		t.Error(err)
	}
}

func TestDigest(t *testing.T) {
	files := map[string]string{"a/x.png": "*", "b/y.png": "*"}
	one, _ := Open(lay(t, files), 4)
	two, _ := Open(lay(t, files), 4)
	files["b/y.txt"] = "text"
	three, _ := Open(lay(t, files), 4)
	if one.Digest() != two.Digest() || one.Digest() == three.Digest() {
		t.Error("the digest does not follow the set")
	}
	k1, _ := one.Key(Pick{Index: 0})
	k2, _ := two.Key(Pick{Index: 0})
	k3, _ := one.Key(Pick{Index: 1})
	if k1 != k2 || k1 != k3 { // the same pixels in other files
		t.Error("the key does not follow the content")
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"file_name":"a.png","text":"x","texts":["y"],"label":3}`), true)
	f.Add([]byte("file_name,text\na.png,b\n"), false)
	f.Fuzz(func(t *testing.T, raw []byte, isJSON bool) {
		parse := eachCSVRecord
		if isJSON {
			parse = eachJSONLine
		}
		parse(text(raw), func(row) error { return nil })
		parseCOCO(bytes.NewReader(raw), true)
		lines(raw)
	})
}
