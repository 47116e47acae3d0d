package main

import (
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/fault"
)

func textToImage() *cobra.Command {
	var f drawFlags
	cmd := &cobra.Command{
		Use:     "txt2img [PROMPT]",
		Short:   "Make pictures of a text",
		Example: "  ldm txt2img \"a red apple\"\n  ldm txt2img -p \"a cat face\" -n 16 --seed 7 -o cats.png",
		Args:    cobra.MaximumNArgs(1),
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
			m, err := f.open()
			if err != nil {
				return err
			}
			defer m.Close()
			r, err := f.request(cmd)
			if err != nil {
				return err
			}
			f.texts(cmd, m, &r)
			return f.draw(cmd, m, r)
		},
	}
	f.register(cmd)
	f.registerText(cmd)
	return cmd
}
