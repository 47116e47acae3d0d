package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/serve"
	"github.com/ldm-go/ldm/serve/stock"
)

// serveFlags are those of the server.
type serveFlags struct {
	modelFlags
	cfg       serve.Config
	folder    string
	loras     string
	words     string
	controls  string
	databases string
	clip      string
	maxMemory byteSize
	maxBody   byteSize
	keepBytes byteSize
	keys      []string
	keyFile   string
	role      string
	logJSON   bool
}

func server() *cobra.Command {
	f := serveFlags{cfg: serve.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer OpenAI's images API, A1111's API and an API of jobs",
		Long: `Keeps models loaded and answers three interfaces: OpenAI's images API
(/v1/images/...), A1111's API (/sdapi/v1/...), and jobs (/v1/jobs), with a page to
use them by hand at /. Accepted jobs survive the end of the process. Without
flags it serves the model in the program to this machine alone.`,
		Example: `  ldm serve
  ldm serve --models ~/models --models-memory 12GiB
  ldm serve --listen 0.0.0.0:7860 --api-key me=SECRET -m sd-v1-4.ckpt
  ldm serve --role api --nats nats://queue:4222 --api-key me=SECRET --listen 0.0.0.0:7860
  ldm serve --role worker --nats nats://queue:4222 --models /models`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.registerServe(cmd)
	return cmd
}

func (f *serveFlags) registerServe(cmd *cobra.Command) {
	f.register(cmd)
	flags, c := cmd.Flags(), &f.cfg
	f.maxBody, f.keepBytes = byteSize(c.MaxBody), byteSize(c.KeepBytes)
	flags.Lookup("model").Usage = "the default model: a file or a diffusers folder (default: the emoji model in this program)"
	flags.StringVar(&f.folder, "models", "", "folder of more models")
	flags.StringVar(&f.loras, "lora-dir", "", "folder of the LoRAs that <lora:NAME:0.8> in prompts names")
	flags.StringVar(&f.words, "embedding-dir", "", "folder of learnt words (textual inversion) for prompts")
	flags.StringVar(&f.controls, "control-dir", "", "folder of ControlNets that requests may name: files, and diffusers folders")
	flags.StringVar(&f.databases, "database-dir", "", "folder of databases (ldm retrieve index) for retrieval-augmented models")
	flags.StringVar(&f.clip, "clip", "", "CLIP for retrieval-augmented models: a file with its encoder of texts")
	flags.Var(&f.maxMemory, "models-memory", "memory for the weights of models, as 12GiB; the least recently used is unloaded (default: any)")
	flags.StringVar(&c.Listen, "listen", c.Listen, "address and port")
	flags.StringVar(&c.Data, "data", "", "folder for jobs and pictures (default: ldm in the user's folder of application data)")
	flags.StringVar(&f.role, "role", "", "api or worker: a part of the service alone, with --nats")
	flags.StringVar(&c.NATS, "nats", "", "address of a NATS server with JetStream, in place of the database in --data")
	flags.StringVar(&c.S3, "s3", "", "bucket for pictures, https://HOST/BUCKET or https://HOST/BUCKET/FOLDER, by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (default: beside the jobs)")
	flags.IntVar(&c.Replicas, "replicas", 0, "copies of what NATS keeps (default: 3 where the cluster has so many servers)")
	flags.StringArrayVar(&f.keys, "api-key", nil, "NAME=SECRET that requests must carry; may be repeated")
	flags.StringVar(&f.keyFile, "api-keys", "", "file of NAME=SECRET lines")
	flags.BoolVar(&c.Insecure, "insecure", false, "listen beyond this machine without keys")
	flags.StringArrayVar(&c.Origins, "cors-origin", nil, "origin of pages that may use the server, as https://example.org; may be repeated")
	flags.StringArrayVar(&c.Hosts, "host", nil, "name of this server beside localhost; may be repeated")
	flags.StringVar(&c.Public, "public-url", "", "where clients reach this server, for addresses in answers (default: the request's)")
	flags.Float64Var(&c.Rate, "rate", 0, "requests a second of a key (default: any number)")
	flags.IntVar(&c.Queue, "queue", c.Queue, "jobs that may wait")
	flags.Var(&f.maxBody, "max-body", "size of a request's body")
	flags.IntVar(&c.Limits.MaxPixels, "max-pixels", c.Limits.MaxPixels, "width times height of a picture that is made")
	flags.IntVar(&c.Limits.MaxInputPixels, "max-input-pixels", c.Limits.MaxInputPixels, "pixels of a picture that is sent")
	flags.IntVar(&c.Limits.MaxSteps, "max-steps", c.Limits.MaxSteps, "steps of a request")
	flags.IntVar(&c.Limits.MaxImages, "max-images", c.Limits.MaxImages, "pictures of a request")
	flags.IntVar(&c.MaxBatch, "max-batch", c.MaxBatch, "pictures computed together; where nothing is said, so many for each device")
	flags.DurationVar(&c.Timeout, "job-timeout", c.Timeout, "how long a job may run")
	flags.DurationVar(&c.Keep, "keep", c.Keep, "how long ended jobs and their pictures are kept")
	flags.Var(&f.keepBytes, "keep-bytes", "size of all pictures that are kept")
	flags.DurationVar(&c.Grace, "grace", c.Grace, "how long running jobs may go on after SIGTERM")
	flags.BoolVar(&c.NoMetadata, "no-metadata", false, "pictures do not carry their settings")
	flags.BoolVar(&c.LogPrompts, "log-prompts", false, "prompts are logged")
	flags.BoolVar(&c.MetricsKeys, "metrics-keys", false, "jobs are counted by API key in /metrics")
	flags.BoolVar(&f.logJSON, "log-json", false, "the log is JSON")
}

func (f *serveFlags) run(cmd *cobra.Command) error {
	c := &f.cfg
	c.Role, c.Version = serve.Role(f.role), "ldm "+programVersion()
	c.MaxBody, c.KeepBytes = int64(f.maxBody), int64(f.keepBytes)
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if f.logJSON {
		c.Log = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	var err error
	if c.Keys, err = f.readKeys(); err != nil {
		return err
	}
	if c.Data == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		c.Data = filepath.Join(base, "ldm")
	}
	if c.Role != serve.API {
		opt, err := f.options()
		if err != nil {
			return err
		}
		if !cmd.Flags().Changed("max-batch") {
			c.MaxBatch *= programs.Devices(opt.Engine)
		}
		models, err := f.stock(opt)
		if err != nil {
			return err
		}
		defer models.Close()
		c.Models = models
	}
	s, err := serve.New(cmd.Context(), *c)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Run(cmd.Context(), func(addr net.Addr) {
		if addr == nil {
			status("waiting for jobs")
			return
		}
		status(fmt.Sprintf("listening at http://%s", addr))
	})
}

func (f *serveFlags) stock(opt ldm.Options) (*stock.Stock, error) {
	o := stock.Options{
		Folder: f.folder, LoRAs: f.loras, Words: f.words, Controls: f.controls, Databases: f.databases, CLIP: f.clip, Cache: filepath.Join(f.cfg.Data, "hashes"), MaxMemory: int64(f.maxMemory), Load: opt,
		Text: !f.cfg.NoMetadata, Version: f.cfg.Version, Log: f.cfg.Log, Box: f.path == "",
	}
	if f.path != "" {
		o.Files = []string{f.path}
	}
	return stock.Open(o)
}

// readKeys reads NAME=SECRET pairs of flags and of a file.
func (f *serveFlags) readKeys() (map[string]string, error) {
	lines := f.keys
	if f.keyFile != "" {
		raw, err := os.ReadFile(f.keyFile)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	keys := map[string]string{}
	for _, line := range lines {
		name, secret, ok := strings.Cut(line, "=")
		if !ok || name == "" || secret == "" {
			return nil, errors.New("an API key has the form NAME=SECRET")
		}
		if _, twice := keys[name]; twice {
			return nil, fmt.Errorf("the API key %q is given twice", name)
		}
		keys[name] = secret
	}
	return keys, nil
}

// programVersion is that of the build, without what it was built of.
func programVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}
