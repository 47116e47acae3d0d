package par

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// processors is the number of workers where none is asked for: Go's own number, which
// follows the processors that the system lets the process use (its affinity, and the
// quota of a control group on Linux), and less where the quota is below two processors:
// there Go keeps two, which would take turns at half speed.
func processors(gomaxprocs int, quota float64) int {
	if whole := math.Ceil(quota); whole < float64(gomaxprocs) {
		return max(int(whole), 1)
	}
	return gomaxprocs
}

// quotaOf is how many processors the control groups of this process let it use at a time,
// infinity if they set no bound. root is the root of the file system, with /proc.
func quotaOf(root fs.FS) float64 {
	quota := math.Inf(1)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return quota
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return quota
	}
	for _, line := range strings.Split(string(groups), "\n") {
		parts := strings.SplitN(line, ":", 3) // 4:cpu,cpuacct:/path of version 1, 0::/path of version 2
		if len(parts) < 3 {
			continue
		}
		read := quotaV1
		if parts[1] == "" {
			read = quotaV2
		} else if !slices.Contains(strings.Split(parts[1], ","), "cpu") {
			continue
		}
		top, ok := mountOf(string(mounts), parts[1] == "", parts[2])
		for dir := top.dir; ok; dir = path.Dir(dir) { // a group is bound by those above it, too
			quota = min(quota, read(root, dir))
			if ok = dir != top.mount && dir != "."; !ok {
				break
			}
		}
	}
	return quota
}

// place is where a control group is seen, and where the hierarchy that it is of is mounted.
type place struct{ mount, dir string }

// mountOf finds a group in a list of mounts.
func mountOf(mounts string, v2 bool, group string) (place, bool) {
	for _, line := range strings.Split(mounts, "\n") {
		before, after, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		if v2 != (kind[0] == "cgroup2") || !v2 && (kind[0] != "cgroup" || !slices.Contains(strings.Split(kind[2], ","), "cpu")) {
			continue
		}
		below, ok := strings.CutPrefix(group, strings.TrimSuffix(fields[3], "/"))
		if !ok || strings.HasPrefix(below, "/..") {
			below = "" // of another name space: what is mounted is all we see
		}
		mount := strings.TrimPrefix(fields[4], "/")
		return place{mount, path.Join(mount, below)}, true
	}
	return place{}, false
}

func quotaV2(root fs.FS, dir string) float64 {
	text, err := fs.ReadFile(root, path.Join(dir, "cpu.max"))
	fields := strings.Fields(string(text)) // "max 100000", or microseconds in each period
	if err != nil || len(fields) != 2 {
		return math.Inf(1)
	}
	return share(fields[0], fields[1])
}

func quotaV1(root fs.FS, dir string) float64 {
	quota, err := fs.ReadFile(root, path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return math.Inf(1)
	}
	period, err := fs.ReadFile(root, path.Join(dir, "cpu.cfs_period_us"))
	if err != nil {
		return math.Inf(1)
	}
	return share(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

// share is quota/period; "max" and -1 mean no bound.
func share(quota, period string) float64 {
	q, err := strconv.ParseInt(quota, 10, 64)
	p, other := strconv.ParseInt(period, 10, 64)
	if err != nil || other != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return float64(q) / float64(p)
}
