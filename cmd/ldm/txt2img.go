package main

import (
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
)

func textToImage() *cobra.Command {
	var f drawFlags
	var prompt, negative string
	cmd := &cobra.Command{
		Use:     "txt2img [PROMPT]",
		Short:   "Make pictures of a text",
		Example: "  ldm txt2img \"a red apple\"\n  ldm txt2img -p \"a cat face\" -n 16 --seed 7 -o cats.png",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch given := cmd.Flags().Changed("prompt"); {
			case len(args) == 1 && given:
				return fault.Inputf("two prompts: %q and --prompt %q", args[0], prompt)
			case len(args) == 1:
				prompt = args[0]
			case !given:
				return fault.Inputf("what to show? want ldm txt2img \"a text\"")
			}
			m, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer m.Close()
			r := f.request(cmd)
			r.Condition = ldm.Prompt(prompt)
			if cmd.Flags().Changed("negative-prompt") {
				r.Negative = ldm.Prompt(negative)
			}
			return f.draw(cmd, m, r)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&prompt, "prompt", "p", "", "what to show, in place of the argument")
	cmd.Flags().StringVar(&negative, "negative-prompt", "", "what to lead away from")
	return cmd
}
