package data

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Write prints a report for a person. Of long lists it shows the beginning.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for i, c := range r.Splits {
		if i > 0 {
			b.WriteString("\n")
		}
		c.write(&b)
	}
	if len(r.Leaks) > 0 {
		fmt.Fprintf(&b, "\nThe same picture in several splits: %d. What is measured on them is too good.\n", len(r.Leaks))
		list(&b, groups(r.Leaks))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *SplitReport) write(b *strings.Builder) {
	s := c.Summary
	if s.Split != "" {
		fmt.Fprintf(b, "Split %s\n", s.Split)
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	line("pictures", "%d (%s)", s.Pictures, counted(c.Formats))
	if s.Repeated != s.Pictures {
		line("an epoch", "%d pictures, with repeats", s.Repeated)
	}
	line("sizes", "%dx%d to %dx%d; shorter side %d to %d, half of them at least %d", c.Smallest.X, c.Smallest.Y, c.Largest.X, c.Largest.Y, c.Sizes.Least, c.Sizes.Greatest, c.Sizes.Middle)
	line("proportions", "%s", counted(c.Wide))
	line("captions", "%s", s.captions())
	if s.Captions > 0 {
		line("", "the first of each has %d to %d words, half of them at least %d", c.Words.Least, c.Words.Greatest, c.Words.Middle)
	}
	if s.Classes > 0 {
		line("classes", "%d: %s", s.Classes, counted(c.Classes))
	}
	if s.Unlabelled > 0 {
		line("", "%d pictures have none: a class model will not train on them", s.Unlabelled)
	}
	if s.Boxes > 0 {
		line("boxes", "%d: %s", s.Boxes, counted(c.Categories))
	}
	if len(s.Companions) > 0 {
		line("beside them", "%s", counted(s.Companions))
	}
	line("unused files", "%d", s.UnusedCount)
	list(b, s.Unused)
	if s.Hidden > 0 {
		line("ignored", "%d files and folders that systems leave", s.Hidden)
	}
	for _, part := range []struct {
		name  string
		lines []string
	}{{"broken", c.Broken}, {"duplicates", groups(c.Duplicates)}, {"odd", c.Odd}} {
		line(part.name, "%d", len(part.lines))
		list(b, part.lines)
	}
}

// counted is "cat 10, dog 5", the most first.
func counted(m map[string]int) string {
	const most = 20
	names := sortedKeys(m)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(m[b], m[a]) })
	var parts []string
	for i, name := range names {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

func list(b *strings.Builder, lines []string) {
	const most = 10
	for i, line := range lines {
		if i == most {
			fmt.Fprintf(b, "  and %d more\n", len(lines)-most)
			return
		}
		fmt.Fprintf(b, "  %s\n", line)
	}
}

func groups(list [][]string) []string {
	var lines []string
	for _, g := range list {
		lines = append(lines, strings.Join(g, " = "))
	}
	return lines
}
