package par

import (
	"math"
	"testing"
	"testing/fstest"
)

// TestQuota reads the bounds of control groups of both versions, those above included.
func TestQuota(t *testing.T) {
	const (
		v1 = "24 23 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n25 23 0:22 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
		v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	)
	for name, s := range map[string]struct {
		groups, mounts string
		files          map[string]string
		want           float64
	}{
		"none":            {"", "", nil, math.Inf(1)},
		"version 2":       {"0::/app\n", v2, map[string]string{"sys/fs/cgroup/app/cpu.max": "150000 100000\n"}, 1.5},
		"no bound":        {"0::/app\n", v2, map[string]string{"sys/fs/cgroup/app/cpu.max": "max 100000\n"}, math.Inf(1)},
		"one above":       {"0::/pod/app\n", v2, map[string]string{"sys/fs/cgroup/pod/cpu.max": "50000 100000\n", "sys/fs/cgroup/pod/app/cpu.max": "max 100000\n"}, .5},
		"the whole mount": {"0::/\n", v2, map[string]string{"sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4},
		"other space":     {"0::/../../x\n", v2, map[string]string{"sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1},
		"part of the tree": {"0::/docker/17\n", "30 23 0:26 /docker/17 /sys/fs/cgroup ro - cgroup2 cgroup ro\n",
			map[string]string{"sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3},
		"version 1": {"4:memory:/app\n3:cpu,cpuacct:/app\n", v1,
			map[string]string{"sys/fs/cgroup/cpu/app/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/app/cpu.cfs_period_us": "100000\n"}, .5},
		"version 1, no bound": {"3:cpu,cpuacct:/\n", v1,
			map[string]string{"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, math.Inf(1)},
		"nonsense": {"0:\n::\n0::/app\n", v2 + "x - y\n - \n", map[string]string{"sys/fs/cgroup/app/cpu.max": "1e9 -3 7"}, math.Inf(1)},
	} {
		root := fstest.MapFS{"proc/self/cgroup": {Data: []byte(s.groups)}, "proc/self/mountinfo": {Data: []byte(s.mounts)}}
		for path, text := range s.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := quotaOf(root); got != s.want {
			t.Errorf("%s: %g processors, want %g", name, got, s.want)
		}
	}
}

// TestProcessors: a quota rounds up, to one worker at least, and never adds any.
func TestProcessors(t *testing.T) {
	for _, s := range []struct {
		gomaxprocs int
		quota      float64
		want       int
	}{{8, math.Inf(1), 8}, {2, .5, 1}, {2, 1, 1}, {2, 1.5, 2}, {4, 3.2, 4}, {2, 16, 2}} {
		if got := processors(s.gomaxprocs, s.quota); got != s.want {
			t.Errorf("%d processors, quota %g: %d workers, want %d", s.gomaxprocs, s.quota, got, s.want)
		}
	}
}
