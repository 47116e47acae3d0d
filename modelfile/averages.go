package modelfile

import (
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
)

// Averages are the averaged weights of a file.
type Averages struct {
	Have, Want int  // how many of the U-Net's parameters have one of their shape
	Any        bool // something of averages is there, if only their counters

	stored  map[string]string // by parameter
	missing []string
}

// Complete tells whether every parameter has its average.
func (a Averages) Complete() bool { return a.Have > 0 && a.Have == a.Want }

// Averages looks for the averages of a network's parameters, under the names
// that the reference gives them and under those that keep their dots.
func (f *File) Averages(net *model.Network) (Averages, error) {
	specs, err := net.AllParams()
	if err != nil {
		return Averages{}, err
	}
	return f.averages(specs), nil
}

func (f *File) averages(specs []nn.ParamSpec) Averages {
	a := Averages{stored: map[string]string{}}
	a.Any = slices.ContainsFunc(f.Names(), func(name string) bool { return strings.HasPrefix(name, model.PrefixEMA) })
	for _, p := range specs {
		usual, ok := model.EMAName(p.Name)
		if !ok {
			continue
		}
		a.Want++
		for _, name := range []string{usual, model.PrefixEMA + strings.TrimPrefix(p.Name, "model."), model.PrefixEMA + p.Name} {
			if info, there := f.Info(name); there && info.Shape.Size() == p.Shape.Size() {
				a.stored[p.Name] = name
				break
			}
		}
		if a.stored[p.Name] == "" {
			a.missing = append(a.missing, usual)
		}
	}
	a.Have = len(a.stored)
	return a
}

// chosen are the names of the averages that are to be read, by parameter; none
// where the plain weights are.
func (f *File) chosen(net *model.Network, specs []nn.ParamSpec) (map[string]string, error) {
	a := f.averages(specs)
	switch f.opt.Weights {
	case WeightsRaw:
		return nil, nil
	case WeightsEMA:
		switch {
		case a.Have == 0:
			return nil, fault.Inputf("%s holds no averaged weights (%s*)", f.Name(), model.PrefixEMA)
		case !a.Complete():
			return nil, fault.Filef("%s holds %d of %d averaged weights: missing are %s, ...; --weights raw reads the plain ones",
				f.Name(), a.Have, a.Want, strings.Join(a.missing[:min(len(a.missing), 3)], ", "))
		}
		return a.stored, nil
	}
	wanted := net.Params.UseEMA == nil || *net.Params.UseEMA
	switch {
	case !a.Any:
		return nil, nil
	case a.Have == 0:
		f.opt.log("the file holds what counts averages (%s*), but no averages: using the plain weights", model.PrefixEMA)
	case !a.Complete():
		f.opt.log("the file holds %d of %d averaged weights: using the plain ones", a.Have, a.Want)
	case !wanted && f.plain(specs):
		f.opt.log("the file holds averaged weights too; using the plain ones, as use_ema is false")
	case f.plain(specs):
		f.opt.log("the file holds averaged weights too; using the averaged ones")
		return a.stored, nil
	default:
		f.opt.log("the file holds averaged weights alone; using them")
		return a.stored, nil
	}
	return nil, nil
}

// plain tells whether all plain weights are there, too.
func (f *File) plain(specs []nn.ParamSpec) bool {
	return !slices.ContainsFunc(specs, func(p nn.ParamSpec) bool {
		_, ok := f.Stored(p.Name)
		return !ok
	})
}

// wants are the tensors that a network needs, and how strictly they are looked for.
func (f *File) wants(net *model.Network) ([]nn.ParamSpec, map[string]checkpoint.Want, checkpoint.LoadOptions, error) {
	opt := checkpoint.LoadOptions{Allowed: model.Stray, IgnoreKeys: f.opt.IgnoreKeys, View: true, Loose: true}
	specs, err := net.AllParams()
	if err != nil {
		return nil, nil, opt, err
	}
	averages, err := f.chosen(net, specs)
	if err != nil {
		return nil, nil, opt, err
	}
	known, err := net.StateDict()
	if err != nil {
		return nil, nil, opt, err
	}
	for name := range known {
		opt.Spare = append(opt.Spare, name)
	}
	want := map[string]checkpoint.Want{}
	for _, p := range specs {
		w := checkpoint.Want{Stored: p.Name, Shape: p.Shape}
		if name := averages[p.Name]; name != "" {
			w.Stored = name
		}
		want[p.Name] = w
	}
	f.sayLeftovers()
	return specs, want, opt, nil
}

// sayLeftovers says what of other programs is not read.
func (f *File) sayLeftovers() {
	var left []string
	for _, name := range f.Names() {
		if model.Leftover(name) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		f.opt.log("%d tensors that no part of the model reads are left out, such as %s", len(left), left[0])
	}
}
