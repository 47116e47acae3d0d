package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve"
	"github.com/ldm-go/ldm/serve/servetest"
)

// TestServerFlag: commands run on a server, and refuse by name what that does not
// know.
func TestServerFlag(t *testing.T) {
	cfg := serve.DefaultConfig()
	cfg.Listen, cfg.Data, cfg.Models, cfg.Log = "127.0.0.1:0", t.TempDir(), servetest.New(time.Millisecond), slog.New(slog.DiscardHandler)
	s, err := serve.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(a net.Addr) { addr <- a }) }()
	t.Cleanup(func() {
		stop()
		<-ended
		s.Close()
	})
	url := "http://" + (<-addr).String()
	dir := t.TempDir()
	out := func(name string) string { return filepath.Join(dir, name) }
	text := printed(t, "txt2img", "a cat", "--server", url, "-n", "2", "--seed", "7", "-o", out("%d-%seed.png"))
	if !strings.Contains(text, "(seed 8)") {
		t.Errorf("printed %q", text)
	}
	printed(t, "img2img", out("0-7.png"), "-p", "a dog", "--server", url, "--strength", "0.5", "-o", out("dog.jpg"))
	printed(t, "inpaint", out("0-7.png"), "--mask", out("0-7.png"), "-p", "a dog", "--server", url, "-o", out("hole.png"))
	printed(t, "sample", "-m", "classes", "--class", "dog", "--server", url, "-o", out("class.png"))
	for _, name := range []string{"0-7.png", "1-8.png", "dog.jpg", "hole.png", "class.png"} {
		if st, err := os.Stat(out(name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--cfg-rescale does not go with --server", []string{"txt2img", "x", "--cfg-rescale", "0.5"}},
		{"want a name for each", []string{"txt2img", "x", "-n", "2"}},
		{"width: 65: want a multiple", []string{"txt2img", "x", "-W", "65"}},
		{"does not run on a server", []string{"variations", out("0-7.png")}},
		{"takes no ControlNets", []string{"txt2img", "x", "--control", "canny", "--control-image", out("0-7.png")}},
		{"no tokens that can be merged", []string{"txt2img", "x", "--token-merging", "0.5"}},
		{"deep_cache", []string{"txt2img", "x", "--deep-cache", "3"}},
		{"adaptive_guidance", []string{"txt2img", "x", "--adaptive-guidance", "0.9", "--cfg-scale", "1"}},
		{"cfg_interval", []string{"txt2img", "x", "--cfg-interval", "0,0.5", "--cfg-scale", "1"}},
		{"not conditioned on vectors", []string{"txt2img", "x", "--database", "paintings"}},
		{"does not do upscale", []string{"upscale", out("0-7.png")}},
	} {
		err := ldmCommand(append(c.args, "--server", url, "-o", out("refused.png"))...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.args, err, c.want)
		}
	}
	if _, err := os.Stat(out("refused.png")); err == nil {
		t.Error("a refused command left a file")
	}
}
