package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
)

// sample draws from unconditional and class-conditional models.
func sample() *cobra.Command {
	var f modelFlags
	var s sampleFlags
	var class int
	cmd := &cobra.Command{
		Use:   "sample -m MODEL [--class N]",
		Short: "Make pictures with an unconditional or class-conditional model",
		Long: `Makes pictures with a model that is unconditional, or conditioned on classes.
Guidance leads away from the last class, the empty one, of models that were
trained with one (cin256-v2, and those of ldm train diffusion).`,
		Example: "  ldm sample -m celeba256/model.ckpt -n 4\n  ldm sample -m cin256-v2.ckpt --class 187 --cfg-scale 3 --steps 20",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			m, err := f.open()
			if err != nil {
				return err
			}
			defer m.Close()
			if err := checkClass(m, cmd.Flags().Changed("class"), class); err != nil {
				return err
			}
			pictures, err := m.ClassToImage(cmd.Context(), ldm.ClassRequest{
				Labels: slices.Repeat([]int{class}, s.n), Seeds: s.seeds(),
				Steps: s.steps, Scale: s.scale, Eta: s.eta, Width: s.width, Height: s.height, Progress: progress(),
			})
			if err != nil {
				return err
			}
			return s.save(pictures)
		},
	}
	f.register(cmd)
	s.register(cmd, 1, "strength of the guidance by the class; 1: none")
	cmd.Flags().IntVar(&class, "class", 0, "number of the class, from 0")
	cmd.MarkFlagRequired("model")
	return cmd
}

func checkClass(m *ldm.Model, given bool, class int) error {
	classes := m.Network().Class
	switch {
	case classes == nil && given:
		return fmt.Errorf("--class: this model is not conditioned on classes")
	case classes != nil && !given:
		return fmt.Errorf("this model wants --class, 0 to %d", classes.NClasses-1)
	case classes != nil && (class < 0 || class >= classes.NClasses):
		return fmt.Errorf("--class %d: want 0 to %d", class, classes.NClasses-1)
	}
	return nil
}
