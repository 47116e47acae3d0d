package main

import (
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
)

func textToImage() *cobra.Command {
	var f drawFlags
	cmd := &cobra.Command{
		Use:   "txt2img [PROMPT]",
		Short: "Make pictures of a text",
		Example: "  ldm txt2img \"a red apple\"\n  ldm txt2img -p \"a cat face\" -n 16 --seed 7 -o cats.png\n" +
			"  ldm txt2img \"a ghost\" --seed 3 --grid \"steps=5,10,50\" \"cfg-scale=1,3,7\" -o grid.png",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.text(cmd, args); err != nil {
				return err
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			if !cmd.Flags().Changed("prompt") {
				return fault.Inputf("what to show? want ldm txt2img \"a text\"")
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				f.texts(cmd, m, r)
				return nil, nil
			})
		},
	}
	f.register(cmd)
	f.registerText(cmd)
	return cmd
}
