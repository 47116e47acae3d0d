package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/picture"
)

// lpipsFlags choose the network of LPIPS.
type lpipsFlags struct {
	net     string
	weights []string
}

func (f *lpipsFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.net, "lpips", "squeeze", "network of LPIPS: squeeze, vgg or alex")
	cmd.Flags().StringSliceVar(&f.weights, "lpips-weights", nil, "files of its layers and heads, in the names of torchvision, of the package lpips or of a first stage's checkpoint (default for squeeze: those in this program)")
}

func (f *lpipsFlags) open(eng engine.Engine, opt engine.Options) (*perceptual.Meter, error) {
	net, err := perceptual.ParseNet(f.net)
	if err != nil {
		return nil, fault.As(fault.Input, err)
	}
	var vars engine.Vars
	switch {
	case len(f.weights) > 0:
		vars, err = net.Load(f.weights...)
	case net == perceptual.Squeeze:
		vars, err = perceptual.Vars()
	default:
		return nil, fault.Inputf("--lpips %s: its weights are not in this program: want their files as --lpips-weights", f.net)
	}
	if err != nil {
		return nil, err
	}
	return perceptual.NewMeter(eng, opt, net, vars)
}

func evaluatePairs() *cobra.Command {
	var f lpipsFlags
	var threads int
	cmd := &cobra.Command{
		Use:   "pairs REFERENCE RESULT",
		Short: "Compare pictures of the same names in two folders: PSNR, SSIM, LPIPS",
		Long: `Compares every picture of one folder with that of the same name (whatever the
extension) in another, and prints PSNR (dB), SSIM and LPIPS of each and their means.
Pictures without a partner or of another size are named and left out, and the
command's status is not 0 then.`,
		Example: "  ldm evaluate pairs photos upscaled\n  ldm evaluate pairs a.png b.png --lpips vgg --lpips-weights vgg16-397923af.pth,vgg.pth",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if threads < 0 {
				return fault.Inputf("--threads %d: want at least 1, or 0 for all", threads)
			}
			pairs, alone, err := pairUp(args[0], args[1])
			if err != nil {
				return err
			}
			r := reconstruction{}
			if r.lpips, err = f.open(cpu.New(cpu.Options{Threads: threads}), engine.Options{}); err != nil {
				return err
			}
			defer r.lpips.Close()
			return r.pairs(cmd, pairs, alone)
		},
	}
	f.register(cmd)
	cmd.Flags().IntVarP(&threads, "threads", "t", 0, "threads (default: all processors)")
	return cmd
}

// pairUp finds the pictures of the same names, and those that have no partner.
func pairUp(a, b string) (pairs [][2]string, alone []string, err error) {
	var lists [2][]string
	for i, path := range []string{a, b} {
		if lists[i], err = data.Pictures([]string{path}); err != nil {
			return nil, nil, err
		}
	}
	if len(lists[0]) == 1 && len(lists[1]) == 1 {
		return [][2]string{{lists[0][0], lists[1][0]}}, nil, nil
	}
	stem := func(root, path string) string {
		if rel, err := filepath.Rel(root, path); err == nil {
			path = rel
		}
		return strings.TrimSuffix(path, filepath.Ext(path))
	}
	partner := map[string]string{}
	for _, path := range lists[1] {
		partner[stem(b, path)] = path
	}
	for _, path := range lists[0] {
		if other, ok := partner[stem(a, path)]; ok {
			pairs = append(pairs, [2]string{path, other})
			delete(partner, stem(a, path))
		} else {
			alone = append(alone, path)
		}
	}
	for _, path := range lists[1] {
		if _, ok := partner[stem(b, path)]; ok {
			alone = append(alone, path)
		}
	}
	if len(pairs) == 0 {
		return nil, nil, fault.Inputf("no picture of %s has the name of one of %s", a, b)
	}
	return pairs, alone, nil
}

func (r *reconstruction) pairs(cmd *cobra.Command, pairs [][2]string, alone []string) error {
	m := newMeter("comparing", len(pairs), "pairs")
	defer m.Close()
	var sums qualitySums
	var failed failures
	for _, path := range alone {
		failed.add(m, fault.Inputf("%s has no partner", path))
	}
	for i, pair := range pairs {
		q, err := r.pair(cmd, pair)
		switch {
		case cmd.Context().Err() != nil:
			return cmd.Context().Err()
		case err != nil:
			failed.add(m, err)
		default:
			sums.add(q)
			if err := m.Print(cmd.OutOrStdout(), pair[1]+"\t"+q.line(r.lpips.Net)); err != nil {
				return err
			}
		}
		m.Set(float64(i + 1))
	}
	m.Close()
	if sums.n > 0 {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d pairs\t%s\n", sums.n, sums.mean().line(r.lpips.Net)); err != nil {
			return err
		}
	}
	return failed.err(len(pairs)+len(alone), "pictures")
}

func (r *reconstruction) pair(cmd *cobra.Command, pair [2]string) (q quality, err error) {
	x, err := picture.Read(pair[0], 0, 1)
	if err != nil {
		return q, named(pair[0], err)
	}
	y, err := picture.Read(pair[1], 0, 1)
	if err != nil {
		return q, named(pair[1], err)
	}
	if !x.Shape.Equal(y.Shape) {
		return q, fault.Inputf("%s has %dx%d pixels, %s %dx%d", pair[0], x.Shape[2], x.Shape[1], pair[1], y.Shape[2], y.Shape[1])
	}
	return r.measure(cmd.Context(), x, y)
}
