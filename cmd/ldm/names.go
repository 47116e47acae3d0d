package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture"
)

// names are the names of the pictures that a command writes.
type names struct {
	out   string
	force bool
	given bool
	first int // what %d counts from

	moving bool // a GIF may be written
	cmd    *cobra.Command
}

const defaultOut = "output.png"

func (n *names) register(cmd *cobra.Command) {
	n.cmd = cmd
	cmd.Flags().StringVarP(&n.out, "out", "o", defaultOut, "file to write ("+picture.Written+"); several pictures become a grid, or a file each where the name has %04d (a number) or %seed; without -o a free name is taken: output.png, output-1.png, ...")
	cmd.Flags().BoolVar(&n.force, "force", false, "overwrite files that are there")
}

var places = regexp.MustCompile(`%%|%seed|%0?[0-9]*d|%`)

// pattern tells whether each picture gets a file of its own.
func (n *names) pattern() bool { return strings.Contains(strings.ReplaceAll(n.out, "%%", ""), "%") }

// path is the file of a picture by its number and seed.
func (n *names) path(i int, seed uint64) string {
	return n.fill(i, strconv.FormatUint(seed, 10))
}

func (n *names) fill(i int, seed string) string {
	return places.ReplaceAllStringFunc(n.out, func(place string) string {
		switch {
		case place == "%%":
			return "%"
		case place == "%seed":
			return seed
		}
		return fmt.Sprintf(place, n.first+i)
	})
}

// check refuses names that cannot be written, and those of files that are there; a
// number goes on after the files of earlier runs.
func (n *names) check(count int, seed uint64) error {
	n.given = n.cmd.Flags().Changed("out")
	for _, place := range places.FindAllString(n.out, -1) {
		if width := strings.TrimSuffix(strings.TrimPrefix(place, "%"), "d"); place == "%" || len(width) > 3 {
			return fault.Inputf("-o %s: want %%d or %%04d for a number, %%seed, or %%%% for %%", n.out)
		}
	}
	if n.pattern() && count > 1 && n.path(0, seed) == n.path(1, seed+1) {
		return fault.Inputf("-o %s: every picture would have the same name", n.out)
	}
	check := picture.CheckOutput
	if n.moving && strings.EqualFold(filepath.Ext(n.out), ".gif") {
		check = output.Check
	}
	if err := check(n.path(0, seed)); err != nil {
		return err
	}
	if n.force {
		return nil
	}
	if !n.given {
		for i := 1; taken(n.out); i++ {
			n.out = fmt.Sprintf("output-%d.png", i)
		}
		return nil
	}
	if !n.pattern() {
		count = 1
	}
	numbered := n.path(0, seed) != n.path(1, seed)
	for i := 0; i < count; i++ {
		path := n.path(i, seed+uint64(i))
		switch same, _ := filepath.Glob(n.fill(i, "*")); { // of any seed
		case numbered && len(same) > 0:
			n.first, i = n.first+i+1, -1
		case taken(path):
			return fault.Inputf("%s is there already: want another name after -o, or --force", path)
		}
	}
	return nil
}

// tell is where results are named: not among the bytes of a picture that goes there.
func (n *names) tell(cmd *cobra.Command) io.Writer {
	if output.Stream(n.out) {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// taken tells whether a regular file is there, which writing would replace.
func taken(path string) bool {
	if output.Stream(path) {
		return false
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
