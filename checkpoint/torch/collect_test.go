package torch_test

import (
	"archive/zip"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// opaque values that checkpoints hold beside their tensors.
var opaque = map[string]func(*pickler){
	"a path":                func(p *pickler) { p.class("pathlib", "PosixPath").op("(").str("/data").str("x").op("tR") },
	"a path of Python 3.13": func(p *pickler) { p.class("pathlib._local", "PosixPath").op("(").str("/data").op("tR") },
	"a version":             func(p *pickler) { p.class("torch.torch_version", "TorchVersion").str("2.1.0").op("\x85\x81}b") },
	"a date":                func(p *pickler) { p.class("datetime", "datetime").op("C\x0a0123456789\x85R") },
	"a namespace": func(p *pickler) {
		p.class("argparse", "Namespace").op(")\x81}").str("out").class("pathlib", "WindowsPath").op(")Rs").op("b")
	},
	"a user's class": func(p *pickler) {
		p.class("my.project.callbacks", "Best").op(")\x81}").str("value").float().op("sb")
	},
	"a class of __main__": func(p *pickler) { p.class("__main__", "Args").op(")\x81}b") },
	"an enum":             func(p *pickler) { p.class("my.types", "Mode").op("K\x01\x85R") },
	"a partial call":      func(p *pickler) { p.class("functools", "partial").class("torch.optim.adamw", "AdamW").op("\x85R}b") },
	"a method": func(p *pickler) {
		p.class("__builtin__", "getattr").class("my.types", "Mode").str("run").op("\x86R")
	},
	"a generator": func(p *pickler) {
		p.class("numpy.random._pickle", "__randomstate_ctor").str("MT19937").op("\x85R}b")
	},
	"an error":      func(p *pickler) { p.class("builtins", "ValueError").str("x").op("\x85R") },
	"a counter":     func(p *pickler) { p.class("collections", "Counter").op("}\x85R") },
	"keywords":      func(p *pickler) { p.class("my.types", "Node").op(")}\x92") },
	"a sparse one":  func(p *pickler) { p.class("torch._utils", "_rebuild_sparse_tensor").op(")R") },
	"a call of one": func(p *pickler) { p.class("my.types", "make").op(")R)R") },
}

// TestOpaque: values that are no tensors are read past, wherever they are.
func TestOpaque(t *testing.T) {
	for name, value := range opaque {
		var beside, within, top pickler
		beside.proto().op("}").str("hyper_parameters")
		value(&beside)
		beside.op("s").str("state_dict").op("}").str("x").float().op("ss.")
		within.proto().op("}").str("state_dict").op("}").str("y")
		value(&within)
		within.op("s").str("x").float().op("ss.")
		top.proto().op("}").str("args")
		value(&top)
		top.op("s").str("x").float().op("s.")
		for _, p := range []pickler{beside, within, top} {
			tensors, _, err := index(archived(t, p.Bytes(), zip.Store))
			if err != nil || len(tensors) != 1 || tensors[0].Name != "x" {
				t.Errorf("%s: %v, %v", name, tensors, err)
			}
		}
	}
}

// TestHarmful: names of attacks are refused, and no one looks at what they are called with.
func TestHarmful(t *testing.T) {
	for _, full := range []string{
		"os system", "posix system", "nt system", "subprocess Popen", "builtins eval", "builtins exec", "__builtin__ __import__", "builtins open",
		"sys modules", "runpy _run_code", "socket create_connection", "webbrowser open", "importlib import_module", "shutil rmtree", "pickle loads",
		"_pickle loads", "torch load", "torch.hub load", "torch.jit load", "numpy.testing._private.utils runstring", "pip main", "requests.api get",
		"ctypes CDLL", "timeit timeit", "pty spawn", "types CodeType", "types FunctionType", "code InteractiveInterpreter", "functools reduce",
		"operator methodcaller", "io open", "urllib.request urlopen", "http.client HTTPSConnection", "_aix_support _read_cmd_output", "asyncio.unix_events _UnixSubprocessTransport.__start",
	} {
		module, name, _ := strings.Cut(full, " ")
		data := wrapped(func(p *pickler) { p.float().op("s").str("y").class(module, name).str("echo").op("\x85R") })
		_, _, err := index(archived(t, data, zip.Store))
		if want := fmt.Sprintf("names %s.%s,", module, name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "nothing was executed") {
			t.Errorf("%s: %v", full, err)
		}
	}
}

// TestWhereTensorsAre: the forms of checkpoints that people save.
func TestWhereTensorsAre(t *testing.T) {
	entry := func(p *pickler, key string, value func()) { p.str(key); value(); p.op("s") }
	dict := func(p *pickler, keys ...string) func() {
		return func() {
			p.op("}")
			for _, k := range keys {
				entry(p, k, func() { p.float() })
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(p *pickler)
		want []string
	}{
		{"bare tensor", func(p *pickler) { p.float() }, []string{"tensor"}},
		{"list", func(p *pickler) { p.op("](").float().float().op("e") }, []string{"0", "1"}},
		{"tuple", func(p *pickler) { p.float().float().op("\x86") }, []string{"0", "1"}},
		{"model_state_dict", func(p *pickler) {
			p.op("}")
			entry(p, "model_state_dict", dict(p, "a", "b.c"))
			entry(p, "optimizer_state_dict", dict(p, "exp_avg"))
			entry(p, "epoch", func() { p.int(3) })
		}, []string{"a", "b.c"}},
		{"several", func(p *pickler) {
			p.op("}")
			entry(p, "generator", dict(p, "a"))
			entry(p, "discriminator", dict(p, "a"))
			entry(p, "optim_g", dict(p, "a"))
		}, []string{"discriminator.a", "generator.a"}},
		{"one of another name", func(p *pickler) {
			p.op("}")
			entry(p, "string_to_token", func() { p.op("}") })
			entry(p, "string_to_param", dict(p, "*"))
			entry(p, "name", func() { p.str("marble") })
		}, []string{"string_to_param.*"}},
		{"numbers as keys", func(p *pickler) {
			p.op("}").int(320)
			p.op("}")
			entry(p, "linear.weight", func() { p.float() })
			p.op("\x85s")
			entry(p, "name", func() { p.str("x") })
		}, []string{"320.0.linear.weight"}},
		{"deeper", func(p *pickler) {
			p.op("}")
			entry(p, "g", func() { p.op("}"); entry(p, "h", dict(p, "a")) })
		}, []string{"g.h.a"}},
		{"a subclass of OrderedDict", func(p *pickler) {
			p.op("}")
			entry(p, "state_dict", func() {
				p.class("my.types", "StateDict").op(")R")
				entry(p, "a", func() { p.float() })
				p.op("}").str("_metadata").op("Nsb")
			})
		}, []string{"a"}},
		{"a defaultdict", func(p *pickler) {
			p.class("collections", "defaultdict").class("builtins", "dict").op("\x85R")
			entry(p, "a", func() { p.float() })
		}, []string{"a"}},
		{"a whole module", func(p *pickler) {
			module := func(inner func()) {
				p.class("my.net", "Net").op(")\x81}")
				entry(p, "_parameters", func() { p.op("}"); entry(p, "weight", func() { p.float() }); entry(p, "bias", func() { p.op("N") }) })
				entry(p, "_buffers", dict(p))
				entry(p, "_modules", func() { p.op("}"); inner() })
				p.op("b")
			}
			module(func() { entry(p, "conv", func() { module(func() {}) }) })
		}, []string{"conv.weight", "weight"}},
		{"a subclass of tensor", func(p *pickler) {
			p.op("}")
			entry(p, "a", func() {
				p.class("torch._tensor", "_rebuild_from_type_v2").op("(").class("torch._utils", "_rebuild_tensor_v2").class("my.types", "Traced")
				p.op("((").str("storage").class("torch", "FloatStorage").str("0").str("cpu").int(6).op("tQ").int(0).ints(2).ints(1)
				p.op("\x89").class("collections", "OrderedDict").op(")Rt}tR")
			})
		}, []string{"a"}},
		{"float8", func(p *pickler) {
			p.op("}")
			entry(p, "a", func() {
				p.class("torch._utils", "_rebuild_tensor_v3").op("((").str("storage").class("torch.storage", "UntypedStorage").str("0").str("cpu").int(24)
				p.op("tQ").int(0).ints(24).ints(1).op("\x89").class("collections", "OrderedDict").op(")R").class("torch", "float8_e4m3fn").op("tR")
			})
			entry(p, "b", func() { p.float() })
		}, []string{"a", "b"}},
	} {
		var p pickler
		c.make(p.proto())
		tensors, _, err := index(archived(t, p.op(".").Bytes(), zip.Store))
		names := map[string]bool{}
		for _, x := range tensors {
			names[x.Name] = true
		}
		if got := slices.Sorted(maps.Keys(names)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// TestManyMentions: one dictionary that is in many others, over and over, costs no more
// than what is read.
func TestManyMentions(t *testing.T) {
	var p pickler
	p.proto().op("}q\x00").str("a").float().op("s0")
	for i := range 30 {
		p.op("}").op("q" + string(rune(i+1))).str("a").op("h" + string(rune(i))).op("s").str("b").op("h" + string(rune(i))).op("s0")
	}
	_, _, err := index(archived(t, p.op("h\x1e.").Bytes(), zip.Store))
	if err == nil || !strings.Contains(err.Error(), "more entries than are read") {
		t.Errorf("error %v", err)
	}
}
