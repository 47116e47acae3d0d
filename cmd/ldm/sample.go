package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
)

// sample draws from unconditional and class-conditional models.
func sample() *cobra.Command {
	var f drawFlags
	cmd := &cobra.Command{
		Use:   "sample -m MODEL [--class N]",
		Short: "Make pictures with an unconditional or class-conditional model",
		Long: `Makes pictures with a model that is unconditional, or conditioned on classes.
Guidance leads away from the last class, the empty one, of models that were
trained with one (cin256-v2, and those of ldm train diffusion).`,
		Example: "  ldm sample -m celeba256/model.ckpt -n 4\n  ldm sample -m cin256-v2.ckpt --class 187 --cfg-scale 3 --steps 20",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.text(cmd, args); err != nil {
				return err
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			if f.model.path == "" && f.server == "" {
				return fault.Inputf("which model? want --model FILE; the emoji model in this program is one of texts: ldm txt2img")
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) (_ []finish, err error) {
				r.Condition, err = classOf(m, cmd.Flags().Changed("class"), f.class)
				return nil, err
			})
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.class, "class", "", "number of the class, from 0, or its name in the model's file")
	return cmd
}

// classOf is the condition that --class asks for.
func classOf(m *ldm.Model, given bool, class string) (ldm.Condition, error) {
	classes := m.Network().Classes()
	switch {
	case classes == 0 && given:
		return nil, fault.Inputf("--class: this model is not conditioned on classes")
	case classes == 0:
		return nil, nil
	case !given:
		return nil, fault.Inputf("this model wants --class, 0 to %d", classes-1)
	}
	if n, err := strconv.Atoi(class); err == nil {
		return ldm.Class(n), nil
	}
	return ldm.ClassName(class), nil
}
