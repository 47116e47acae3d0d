package xla

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/engine/xla/pjrt"
	"github.com/ldm-go/ldm/fault"
)

// kind is a sort of device, with where packages put its plugin below Python's folder of
// packages.
type kind struct {
	Name     string
	patterns []string
	install  string // what has the plugin
}

// Kinds are the devices that can be named without a path.
var kinds = []kind{
	{"cuda", []string{"jax_plugins/xla_cuda13/xla_cuda_plugin.so", "jax_plugins/xla_cuda12/xla_cuda_plugin.so"},
		`pip install "jax-cuda12-plugin[with-cuda]" (or jax-cuda13-plugin)`},
	{"rocm", []string{"jax_plugins/xla_rocm*/xla_rocm_plugin.so"}, "pip install jax-rocm7-pjrt, and AMD's ROCm of the release that it names"},
	{"tpu", []string{"libtpu/libtpu.so"}, "pip install libtpu, on a TPU machine"},
	{"cpu", []string{"lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", "fastatomstruct_xla_cpu/libpjrt_cpu.so", "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so"},
		"pip install --no-deps lammps-jax-pjrt-cpu==0.11.2"},
}

// PluginVariable names a plugin for all kinds of devices, and PathVariable folders of
// Python packages to look for plugins in.
const (
	PluginVariable = "LDM_PJRT"
	PathVariable   = "LDM_PJRT_PATH"
)

// Device is a device's name, taken apart.
type Device struct {
	Kind  string // "cuda"; "" for a path
	Path  string // of the plugin, "" to look for it
	Count int
}

var deviceForm = regexp.MustCompile(`^(.+?)(?::([0-9]+))?$`)

// ParseDevice reads cuda, rocm, tpu, cpu or the path of a plugin, with ":N" behind it for
// N devices.
func ParseDevice(s string) (Device, error) {
	m := deviceForm.FindStringSubmatch(s)
	if m == nil {
		return Device{}, fault.Inputf("device %q: want cuda, rocm, tpu, cpu or the path of a plugin, as cuda:2 for two of them", s)
	}
	d := Device{Count: 1}
	if m[2] != "" {
		d.Count, _ = strconv.Atoi(m[2])
		if d.Count < 1 || d.Count > 1024 {
			return Device{}, fault.Inputf("device %q: want 1 to 1024 devices", s)
		}
	}
	for _, k := range kinds {
		if m[1] == k.Name {
			d.Kind = k.Name
			return d, nil
		}
	}
	if strings.ContainsAny(m[1], `/\`) || filepath.Ext(m[1]) != "" {
		d.Path = m[1]
		return d, nil
	}
	return Device{}, fault.Inputf("device %q: want cuda, rocm, tpu, cpu or the path of a plugin, as cuda:2 for two of them", s)
}

// Found is a plugin that lies on this machine.
type Found struct{ Kind, Path string }

// Find lists the plugins on this machine without opening any: opening one can take a
// device's memory, or wait for a service that is not there.
func Find() (all []Found) {
	seen := map[string]bool{}
	for _, k := range kinds {
		for _, dir := range folders() {
			for _, pattern := range k.patterns {
				paths, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
				for _, p := range paths {
					if !seen[p] {
						seen[p] = true
						all = append(all, Found{k.Name, p})
					}
				}
			}
		}
	}
	return all
}

// folders are those of Python packages, in the order of their precedence.
func folders() (all []string) {
	add := func(patterns ...string) {
		for _, p := range patterns {
			dirs, _ := filepath.Glob(p)
			all = append(all, dirs...)
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv(PathVariable)) {
		add(dir)
	}
	for _, variable := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if root := os.Getenv(variable); root != "" {
			add(filepath.Join(root, "lib", "python3*", "site-packages"), filepath.Join(root, "Lib", "site-packages"))
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		add(filepath.Join(home, ".local", "lib", "python3*", "site-packages"))
	}
	add("/usr/local/lib/python3*/site-packages", "/usr/local/lib/python3*/dist-packages", "/usr/lib/python3*/site-packages", "/usr/lib/python3/dist-packages")
	return all
}

// locate finds the plugin of a device.
func (d Device) locate() (string, error) {
	path, from := d.Path, ""
	if path == "" {
		path, from = os.Getenv(PluginVariable), PluginVariable+": "
	}
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fault.Inputf("%sthere is no plugin %s", from, path)
		}
		return path, nil
	}
	for _, f := range Find() {
		if f.Kind == d.Kind {
			return f.Path, nil
		}
	}
	for _, k := range kinds {
		if k.Name == d.Kind {
			return "", fault.Inputf("device %s: no plugin was found: %s; where it lies elsewhere, set %s to its path or %s to its folder of packages",
				d.Kind, k.install, PluginVariable, PathVariable)
		}
	}
	return "", fault.Inputf("no plugin was named")
}

// start opens the plugin and makes a client, with the options of the compiler.
func (d Device) start(opt Options) (*pjrt.Client, map[string]any, error) {
	path, err := d.locate()
	if err != nil {
		return nil, nil, err
	}
	env := preload(path)
	p, err := pjrt.Open(path)
	if err != nil {
		return nil, nil, missing(path, err)
	}
	var last error
	for _, options := range d.options(path) {
		if opt.Nodes > 1 {
			all := map[string]any{"node_id": int64(opt.Node), "num_nodes": int64(opt.Nodes)}
			maps.Copy(all, options)
			options = all
		}
		client, err := p.NewClient(options, opt.Store)
		if err == nil {
			if d.Kind != "" && !belongs(client.Platform, d.Kind) {
				defer client.Close()
				return nil, nil, fault.Inputf("device %s: the plugin %s is for %s", d.Kind, path, client.Platform)
			}
			return client, env, nil
		}
		last = err
	}
	return nil, nil, fmt.Errorf("%s: %w", path, last)
}

// belongs tells whether a platform is of a kind: cards call themselves "gpu", too.
func belongs(platform, kind string) bool {
	platform = strings.ToLower(platform)
	switch kind {
	case "cuda", "rocm":
		return platform == kind || platform == "gpu"
	case "cpu":
		return platform == "cpu" || platform == "host"
	}
	return platform == kind
}

// options are those of the plugin's client, to be tried in order: older plugins refuse
// names that they do not know.
func (d Device) options(path string) []map[string]any {
	name := strings.ToLower(filepath.Base(path))
	switch {
	case d.Kind == "cuda" || strings.Contains(name, "cuda"):
		return []map[string]any{{"preallocate": false}, nil}
	case d.Kind == "rocm" || strings.Contains(name, "rocm"):
		return []map[string]any{{"platform_name": "ROCM", "preallocate": false}, {"platform_name": "ROCM"}, nil}
	case d.Kind == "cpu" || strings.Contains(name, "cpu"):
		return []map[string]any{{"cpu_device_count": int64(d.Count)}, nil}
	}
	return []map[string]any{nil}
}

// libraries are what a CUDA plugin opens by name.
var libraries = []string{
	"libcudart.so.*", "libnvrtc.so.*", "libnvJitLink.so.*", "libcublas.so.*", "libcublasLt.so.*", "libnccl.so.*", "libcupti.so.*", "libcusparse.so.*",
	"libcusolver.so.*", "libcufft.so.*", "libnvshmem_host.so.*", "libcudnn.so.*",
}

// preload opens NVIDIA's libraries where their packages put them beside the plugin's,
// as JAX does, and names the compiler's own files. What is not there the plugin looks
// for in the system.
func preload(path string) map[string]any {
	env := map[string]any{}
	if !strings.Contains(filepath.Base(path), "cuda") {
		return env
	}
	root := filepath.Join(filepath.Dir(path), "..", "..", "nvidia")
	for _, lib := range libraries {
		found, _ := filepath.Glob(filepath.Join(root, "*", "lib", lib))
		for _, f := range found {
			pjrt.Preload(f)
		}
	}
	for _, dir := range []string{"cuda_nvcc", "cu13"} {
		if data := filepath.Join(root, dir); exists(filepath.Join(data, "nvvm")) {
			env["xla_gpu_cuda_data_dir"] = data
			break
		}
	}
	return env
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var library = regexp.MustCompile(`(lib[A-Za-z0-9_+-]+\.(?:so|dylib)[0-9.]*): cannot open|Library not loaded: (\S+)`)

// missing says which library a plugin lacks.
func missing(path string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if m := library.FindStringSubmatch(text); m != nil && !strings.HasSuffix(path, m[1]) {
		return fmt.Errorf("%s needs the library %s, which is not on this machine: install it, or add its folder to LD_LIBRARY_PATH", path, m[1]+m[2])
	}
	if strings.Contains(text, "invalid ELF header") || strings.Contains(text, "wrong ELF class") {
		return fmt.Errorf("%s is no library for %s/%s", path, runtime.GOOS, runtime.GOARCH)
	}
	return fmt.Errorf("the plugin cannot be opened: %s", text)
}
