package serve_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts headless Chromium; the test is skipped where there is none. What
// the page's scripts throw, and what it loads from elsewhere, are errors.
func browser(t *testing.T, own string, width, height int) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("Chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(width, height))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page's script failed: %s", e.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			u := e.Request.URL
			if !strings.HasPrefix(u, own) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") {
				t.Errorf("the page loads %s", u)
			}
		}
	})
	return ctx
}

// shoot keeps a screenshot where LDM_SCREENSHOTS names a folder.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("LDM_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func id(name string) string { return `[data-testid="` + name + `"]` }

// TestPage: a person makes a picture, sees its seed, uses it as a start, paints a
// mask and repaints; and cancels a long job.
func TestPage(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser")
	}
	r := start(t, config(t))
	ctx := browser(t, r.url, 1200, 900)
	var status, alt string
	err := chromedp.Run(ctx,
		network.Enable(), runtime.Enable(),
		chromedp.Navigate(r.url+"/"),
		chromedp.WaitVisible(`#tasks input[value="txt2img"] + *, #tasks label`, chromedp.ByQuery),
		chromedp.SendKeys(id("prompt"), "a <b>red</b> apple", chromedp.ByQuery),
		chromedp.SendKeys(id("seed"), "7", chromedp.ByQuery),
		chromedp.Click(id("generate"), chromedp.ByQuery),
		chromedp.WaitVisible(id("results")+" img", chromedp.ByQuery),
		chromedp.Text(id("status"), &status, chromedp.ByQuery),
		chromedp.AttributeValue(id("results")+" img", "alt", &alt, nil, chromedp.ByQuery),
	)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(status, "seed 7") || alt != "a <b>red</b> apple" {
		t.Errorf("status %q, alternative text %q", status, alt)
	}
	shoot(t, ctx, "page")
	err = chromedp.Run(ctx,
		chromedp.Evaluate(`[...document.querySelectorAll("figcaption button")].find((b) => b.textContent === "Use as start").click()`, nil),
		chromedp.WaitVisible(`#canvas`, chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector('#tasks input[value="inpaint"]').click()`, nil),
		chromedp.WaitVisible(`#clear-mask`, chromedp.ByQuery),
		chromedp.Evaluate(`(() => {
			const c = document.getElementById("canvas"), r = c.getBoundingClientRect();
			const at = (kind, x, y) => c.dispatchEvent(new PointerEvent(kind, { clientX: r.left + x * r.width, clientY: r.top + y * r.height, pointerId: 1, bubbles: true }));
			c.setPointerCapture = () => {};
			at("pointerdown", 0.2, 0.2); at("pointermove", 0.7, 0.6); at("pointerup", 0.7, 0.6);
		})()`, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	shoot(t, ctx, "inpaint")
	err = chromedp.Run(ctx,
		chromedp.Evaluate(`document.getElementById("results").replaceChildren()`, nil),
		chromedp.Click(id("generate"), chromedp.ByQuery),
		chromedp.WaitVisible(id("results")+" img", chromedp.ByQuery),
		chromedp.WaitVisible(`#history img`, chromedp.ByQuery),
		chromedp.SetValue(id("steps"), "250", chromedp.ByQuery),
		chromedp.SetValue(`#n`, "16", chromedp.ByQuery),
		chromedp.Click(id("generate"), chromedp.ByQuery),
		chromedp.WaitEnabled(id("cancel"), chromedp.ByQuery),
		chromedp.Sleep(200*time.Millisecond),
		chromedp.Click(id("cancel"), chromedp.ByQuery),
		chromedp.WaitEnabled(id("generate"), chromedp.ByQuery),
		chromedp.Text(id("status"), &status, chromedp.ByQuery),
	)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(status, "cancelled") {
		t.Errorf("status %q after a cancelled job", status)
	}
}

// TestPageOnPhones: nothing is wider than the screen, everything has a name, and
// text stands out enough (WCAG AA), in the light and in the dark.
func TestPageOnPhones(t *testing.T) {
	if testing.Short() {
		t.Skip("a second browser takes its time")
	}
	r := start(t, config(t))
	ctx := browser(t, r.url, 380, 800)
	for _, scheme := range []string{"light", "dark"} {
		var width int
		var nameless, faint []string
		err := chromedp.Run(ctx,
			chromedp.EmulateViewport(380, 800),
			emulate(scheme),
			chromedp.Navigate(r.url+"/"),
			chromedp.WaitVisible(`#tasks label`, chromedp.ByQuery),
			chromedp.Evaluate(`document.documentElement.scrollWidth`, &width),
			chromedp.Evaluate(controlsWithoutName, &nameless),
			chromedp.Evaluate(faintText, &faint),
		)
		if err != nil {
			t.Fatal(err)
		}
		if width > 380 || len(nameless) > 0 || len(faint) > 0 {
			t.Errorf("%s: %d pixels wide; without a name %v; hard to read %v", scheme, width, nameless, faint)
		}
		shoot(t, ctx, "phone-"+scheme)
	}
}

const controlsWithoutName = `[...document.querySelectorAll("input, select, textarea, button, canvas, img, progress")].filter((e) => {
	const text = (e.labels && e.labels[0]?.textContent.trim()) || e.getAttribute("aria-label") || e.getAttribute("alt") || e.textContent.trim();
	return !text;
}).map((e) => e.id || e.outerHTML)`

const faintText = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const luminance = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255]; };
	const bad = [];
	for (const e of document.querySelectorAll("label, button, .button, p, h1, h2, input, select, textarea, summary, span")) {
		if (!e.offsetParent || e.disabled || !(e.textContent.trim() || e.value)) continue;
		const a = luminance(rgb(getComputedStyle(e).color)), b = luminance(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push((e.id || e.textContent.trim().slice(0, 20)) + " " + ratio.toFixed(2));
	}
	return bad;
})()`

// emulate sets the person's choice of light or dark.
func emulate(scheme string) *emulation.SetEmulatedMediaParams {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
}
