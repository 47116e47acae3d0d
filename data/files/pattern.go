package files

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

// maxShards bounds what a pattern may stand for.
const maxShards = 1 << 16

var braces = regexp.MustCompile(`\{([^{}]*)\}`)
var numbers = regexp.MustCompile(`^([0-9]+)\.\.([0-9]+)$`)

// expand lists the paths that a pattern stands for: {000..009} and {a,b} as the
// shell has them, and the wildcards * ? [ ]. A path that exists is itself.
func expand(pattern string) ([]string, error) {
	if pattern == "" {
		return nil, fault.Inputf("the name of the data is empty")
	}
	if _, err := os.Stat(pattern); err == nil {
		return []string{pattern}, nil
	}
	list, err := expandBraces(pattern)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 && list[0] == pattern && !strings.ContainsAny(pattern, "*?[") {
		return list, nil
	}
	var paths []string
	for _, p := range list {
		if !strings.ContainsAny(p, "*?[") {
			if _, err := os.Stat(p); err != nil {
				return nil, fault.As(fault.Input, fmt.Errorf("%s: %w", pattern, err))
			}
			paths = append(paths, p)
			continue
		}
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fault.Inputf("%s: %w", pattern, err)
		}
		sort.Strings(found)
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		return nil, fault.Inputf("%s: nothing has such a name", pattern)
	}
	return paths, nil
}

func expandBraces(pattern string) ([]string, error) {
	m := braces.FindStringSubmatchIndex(pattern)
	if m == nil {
		return []string{pattern}, nil
	}
	inner := pattern[m[2]:m[3]]
	var choices []string
	if n := numbers.FindStringSubmatch(inner); n != nil {
		from, errFrom := strconv.Atoi(n[1])
		to, errTo := strconv.Atoi(n[2])
		if errFrom != nil || errTo != nil || to < from || to-from >= maxShards {
			return nil, fault.Inputf("{%s} in %s: want first..last, at most %d", inner, pattern, maxShards)
		}
		for i := from; i <= to; i++ {
			choices = append(choices, fmt.Sprintf("%0*d", len(n[1]), i))
		}
	} else {
		choices = strings.Split(inner, ",")
	}
	rest, err := expandBraces(pattern[m[1]:])
	if err != nil {
		return nil, err
	}
	if len(choices)*len(rest) > maxShards {
		return nil, fault.Inputf("%s stands for more than %d files", pattern, maxShards)
	}
	var list []string
	for _, c := range choices {
		for _, r := range rest {
			list = append(list, pattern[:m[0]]+c+r)
		}
	}
	return list, nil
}
