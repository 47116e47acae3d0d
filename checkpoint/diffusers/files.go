package diffusers

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// stems are what diffusers and transformers call their weight files.
var stems = []string{"diffusion_pytorch_model", "model", "pytorch_model"}

// weights are the weight files of a folder: safetensors before pickles, full
// precision before half, one file before shards.
func weights(d directory, folder string) ([]string, error) {
	entries, err := fs.ReadDir(d.fsys, folder)
	if err != nil {
		return nil, d.errorf(folder, "%w", cause(err))
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	for _, ext := range []string{".safetensors", ".bin"} {
		files, err := weightsOf(d, folder, names, ext)
		if err != nil {
			return nil, err
		}
		if len(files) > 0 {
			for i, f := range files {
				files[i] = path.Join(folder, f)
			}
			return files, nil
		}
	}
	return nil, d.errorf(folder, "no weights: want a file *.safetensors or *.bin (was it downloaded?)")
}

// weightsOf are the files with an extension, none if there are none.
func weightsOf(d directory, folder string, names []string, ext string) ([]string, error) {
	for _, variant := range []string{"", ".fp16"} {
		for _, stem := range stems {
			if file := stem + variant + ext; slices.Contains(names, file) {
				return []string{file}, nil
			}
			for _, index := range []string{stem + variant + ext + ".index.json", stem + ext + ".index" + variant + ".json"} {
				if slices.Contains(names, index) {
					return shards(d, folder, names, index, ext)
				}
			}
		}
	}
	var others []string
	for _, n := range names {
		if strings.HasSuffix(n, ext) {
			others = append(others, n)
		}
	}
	if len(others) > 1 {
		return nil, d.errorf(folder, "%d files *%s, such as %q and %q: want one, or %s%s, or an index *%s.index.json", len(others), ext, others[0], others[1], stems[0], ext, ext)
	}
	return others, nil
}

// shards are the files that an index names, each once.
func shards(d directory, folder string, names []string, index, ext string) ([]string, error) {
	o, err := d.object(path.Join(folder, index))
	if err != nil {
		return nil, err
	}
	where, _ := o.get("weight_map").(map[string]any)
	if len(where) == 0 {
		o.bad("weight_map", "an object of tensors' names and files")
		return nil, o.err
	}
	seen := map[string]bool{}
	for name, v := range where {
		file, ok := v.(string)
		if !ok || !plain(file) || !strings.HasSuffix(file, ext) {
			return nil, fmt.Errorf("%s: weight_map: %s is in %s: want the name of a file *%s in that folder", o.file, show(name), show(v), ext)
		}
		seen[file] = true
	}
	var files []string
	for file := range seen {
		files = append(files, file)
	}
	slices.Sort(files)
	for _, file := range files {
		if !slices.Contains(names, file) {
			return nil, fmt.Errorf("%s: weight_map: %s is missing in the folder", o.file, show(file))
		}
	}
	return files, nil
}

// plain tells whether a file's name leads nowhere else, on any system.
func plain(file string) bool {
	return fs.ValidPath(file) && path.Base(file) == file && file != "." && !strings.ContainsAny(file, "\\:\x00")
}
