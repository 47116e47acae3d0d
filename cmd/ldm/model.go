package main

import (
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/machine"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
)

// modelFlags choose a model, how it is read and how it is computed.
type modelFlags struct {
	path      string
	precision string
	threads   int
	device    string
	exact     bool
	hold      tensor.Format
	maxMemory machine.MaxMemory
	load      modelfile.Options
	tiny      string
}

func (f *modelFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "model", "m", "", "model: a .safetensors or .ckpt file, a diffusers folder, or emoji-lcm, the student of four steps in this program (default: emoji, the model in it)")
	f.registerLoad(cmd)
	cmd.Flags().StringVar(&f.precision, "precision", "f32", "how products are computed: f32, bf16, or on accelerators tf32")
	cmd.Flags().BoolVar(&f.exact, "exact", false, "float32 by direct sums alone, without Winograd's algorithm")
	cmd.Flags().TextVar(&f.hold, "hold", tensor.F32, "how weights stay in memory: f32, or f16 or bf16, which take half of it and are widened as they are used")
	cmd.Flags().TextVar(&f.maxMemory, "max-memory", machine.MaxMemory(0), "memory that networks may take at a time, as 3GiB or 50%; what is larger is computed in parts")
	cmd.Flags().StringVar(&f.tiny, "tiny-decoder", "", "file of a tiny autoencoder (TAESD) in place of the model's first stage, for previews too; its encoder lies beside it")
	registerDevice(cmd, &f.device)
	cmd.Flags().IntVarP(&f.threads, "threads", "t", 0, "threads (default: all processors)")
}

// registerLoad adds the flags that say how a file is read.
func (f *modelFlags) registerLoad(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.load.Config, "config", "c", "", "YAML of the model (default: what the file says, config.yaml beside it, or what its tensors tell)")
	cmd.Flags().StringSliceVar(&f.load.IgnoreKeys, "ignore-keys", nil, "beginnings of keys that need not fit the configuration")
	cmd.Flags().TextVar(&f.load.Weights, "weights", modelfile.WeightsAuto, "averaged or plain weights of the U-Net: auto, ema or raw")
	cmd.Flags().TextVar(&f.load.Heads, "legacy-heads", model.HeadsAuto, "heads of the models published before April 2022: auto, one or config")
	cmd.Flags().TextVar(&f.load.Prediction, "prediction", modelfile.PredictionAuto, "what the U-Net predicts, where its file does not say it: auto, eps, x0 or v")
	f.load.Log = status
	f.load.Wrap = func(r checkpoint.Reader) checkpoint.Reader { return checkpoint.Until(cmd.Context(), r) }
}

func (f *modelFlags) options() (ldm.Options, error) {
	precision, err := engine.ParsePrecision(f.precision)
	if err != nil {
		return ldm.Options{}, err
	}
	eng, err := openEngine(f.device, f.threads)
	return ldm.Options{Engine: eng, Precision: precision, Exact: f.exact, Hold: f.hold, MaxMemory: f.maxMemory, File: f.load, TinyDecoder: f.tiny}, err
}

func (f *modelFlags) open() (*ldm.Model, error) {
	opt, err := f.options()
	if err != nil {
		return nil, err
	}
	if b, ok := inBox(f.path); ok {
		return b.open(opt)
	}
	return ldm.Open(f.path, opt)
}

// openFirstStage opens the first stage of a model, or one that stands alone.
func (f *modelFlags) openFirstStage() (*ldm.FirstStage, error) {
	opt, err := f.options()
	if err != nil {
		return nil, err
	}
	if _, ok := inBox(f.path); ok {
		return builtInStage(opt)
	}
	return ldm.OpenFirstStage(f.path, opt)
}
