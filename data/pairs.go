package data

import (
	"strings"
)

// The names of folders that lie side by side and hold files of the same names:
// the pictures themselves, the first that is there, and what goes with them.
var (
	mainFolders = []string{"images", "image", "img", "imgs", "photos", "jpegimages", "target", "targets", "output", "outputs", "edited", "hr"}
	sideFolders = map[string]string{
		"labels": "label", "label": "label", "annotations": "label", "annotation": "label", "segmentation": "label",
		"segmentations": "label", "segmentationclass": "label", "seg": "label", "semantic": "label", "maps": "label", "gt": "label",
		"masks": "mask", "mask": "mask",
		"input": "input", "inputs": "input", "source": "input", "original": "input", "lr": "input",
		"condition": "condition", "conditioning": "condition", "conditioning_images": "condition", "control": "condition",
		"edges": "edges", "depth": "depth",
	}
)

// readPairs finds pairs of folders: images/x.png with labels/x.png. Folders
// between (images/training/x.jpg) have to be the same on both sides.
func (l *listing) readPairs() {
	folders := map[string]map[string]*entry{} // by name; its pictures by the rest of their paths without the extension
	for _, e := range l.pictures {
		folder, rest, inside := strings.Cut(strings.TrimPrefix(e.source.Name, l.split), "/")
		if !inside {
			return
		}
		folder = strings.ToLower(folder)
		if folders[folder] == nil {
			folders[folder] = map[string]*entry{}
		}
		folders[folder][stem(rest)] = e
	}
	main := ""
	for _, name := range mainFolders {
		if folders[name] != nil {
			main = name
			break
		}
	}
	if main == "" {
		return
	}
	for name := range folders {
		if name != main && sideFolders[name] == "" {
			return // classes, of which one has such a name
		}
	}
	found := 0
	for _, name := range sortedKeys(folders) {
		role := sideFolders[name]
		if name == main || role == "" {
			continue
		}
		for _, key := range sortedKeys(folders[name]) {
			e := folders[name][key]
			e.aside = true // also without a picture to go with
			picture := folders[main][key]
			if picture == nil {
				picture = folders[main][strings.TrimSuffix(key, "_"+role)]
			}
			if picture != nil {
				picture.addOther(role, e)
				found++
			}
		}
	}
	if found == 0 && len(folders) > 1 {
		for name := range folders {
			for _, e := range folders[name] {
				e.aside = false
			}
		}
		return
	}
	l.paired = main
}
