// Package browser shows the status page to a headless Chromium.
package browser

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/envgraft/envgraft/internal/ui"
	"github.com/envgraft/envgraft/internal/ui/uitest"
)

var update = flag.Bool("update", false, "take the picture of docs/ui.png again")

// patience bounds a test: a browser that hangs fails it.
const patience = 90 * time.Second

// picture is the screenshot of the documentation, and the most that it may have.
const (
	picture      = "../../docs/ui.png"
	pictureBytes = 200 << 10
)

// visit is a page of a browser, and what went wrong in it.
type visit struct {
	context.Context

	t    *testing.T
	root string

	mu       sync.Mutex
	problems []string
	requests []string
}

// open starts a browser and shows it a page.
func open(t *testing.T, target string) *visit {
	t.Helper()
	program := browser()
	if program == "" {
		t.Skip("no Chromium on the PATH: apt-get install chromium, and this test runs")
	}
	server := httptest.NewServer(ui.Handler(uitest.Cluster{More: 20}))
	t.Cleanup(server.Close)
	// Sandboxes need rights that containers and root do not have; the page is ours.
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.WindowSize(1200, 900))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	v := &visit{t: t, root: server.URL}
	ctx, leave := chromedp.NewContext(ctx, chromedp.WithListener(v.hear))
	t.Cleanup(leave)
	v.Context = ctx
	send(v, log.Enable, cdp.Empty{})
	send(v, network.Enable, network.EnableParams{})
	v.do(target, chromedp.Navigate(server.URL+target))
	return v
}

func browser() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	return ""
}

// hear notes what a page must not do: break its own policy, run anything, or
// ask others.
func (v *visit) hear(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if !strings.HasSuffix(e.Entry.URL, "/favicon.ico") {
			v.problems = append(v.problems, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		v.problems = append(v.problems, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		v.problems = append(v.problems, "the console was written to")
	case *page.EventJavascriptDialogOpening:
		v.problems = append(v.problems, "a dialog opened: "+e.Message)
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, e.Request.URL)
	}
}

func (v *visit) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v, actions...); err != nil {
		v.t.Fatalf("%s: %v", what, err)
	}
}

// tell evaluates an expression of the test in the page.
func tell[T any](v *visit, expression string) T {
	v.t.Helper()
	value, err := chromedp.Run(v, chromedp.Evaluate[T](expression))
	if err != nil {
		v.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// send sends a command of the browser's protocol.
func send[P, R any](v *visit, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	result, err := chromedp.Call(v, command, params)
	if err != nil {
		v.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// prefer has the browser prefer light or dark pages.
func (v *visit) prefer(scheme string) {
	v.t.Helper()
	send(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// clean fails on anything that was heard.
func (v *visit) clean() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, problem := range v.problems {
		v.t.Errorf("the browser complains: %s", problem)
	}
	for _, url := range v.requests {
		if !strings.HasPrefix(url, v.root+"/") {
			v.t.Errorf("the page asked %s", url)
		}
	}
	if len(v.requests) < 2 {
		v.t.Errorf("the browser asked for %q alone: it did not load the stylesheet", v.requests)
	}
}

// TestKeyboard goes from the list to a broken app, and filters, by keys alone.
func TestKeyboard(t *testing.T) {
	v := open(t, "/ui/")
	v.do("Tab", chromedp.KeyEvent(kb.Tab))
	if got := tell[string](v, `document.activeElement.textContent`); got != "Skip to the content" {
		t.Errorf("the first Tab goes to %q", got)
	}
	if outline := tell[string](v, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
		t.Error("where the focus is cannot be seen")
	}
	v.do("Enter", chromedp.KeyEvent(kb.Enter))
	if got := tell[string](v, `document.activeElement.id`); got != "main" {
		t.Errorf("skipping leads to %q", got)
	}
	v.do("search", chromedp.Focus(chromedp.CSS(`input[name=q]`)), chromedp.KeyEvent("search"), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(`//p[@role="status" and starts-with(., "1 of 26")]`))
	v.do("to the app", chromedp.Focus(chromedp.CSS(`tbody th a`)), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS(`.chain .link.broken`)))
	if got := tell[string](v, `document.querySelector("pre").textContent`); got != "kubectl -n popapps rollout restart statefulset.apps/search" {
		t.Errorf("the fix is %q", got)
	}
	states := tell[[]string](v, `[...document.querySelectorAll(".chain .link span")].map(e => e.textContent.trim())`)
	if want := []string{"✓ ok", "✓ ok", "✗ broken"}; !slices.Equal(states, want) {
		t.Errorf("the links are %q, want %q", states, want)
	}
	v.do("by tier", chromedp.SetValue(chromedp.CSS(`select[name=tier]`), "configMap"), chromedp.Focus(chromedp.CSS(`form button`)), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitNotPresent(chromedp.CSS(`.tier-parameter`)), chromedp.WaitVisible(chromedp.CSS(`.tier-configMap`)))
	v.clean()
}

// TestHostileNames runs nothing of what a tenant wrote.
func TestHostileNames(t *testing.T) {
	for _, target := range []string{
		"/ui/", "/ui/apps/tenant/deployment/web",
		"/ui/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%3Cimg%20src=x%20onerror=alert(2)%3E",
	} {
		v := open(t, target)
		if n := tell[int](v, `document.querySelectorAll("script:not([src='/ui/copy.js']), img, iframe, [onerror], [style]").length`); n > 0 {
			t.Errorf("%s has %d elements that it should not have", target, n)
		}
		v.clean()
	}
}

// contrasts computes the least contrast of texts to the page, by the formula of
// https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
const contrasts = `(() => {
	const light = color => color.match(/[\d.]+/g).slice(0, 3).map(v => v / 255)
		.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => {
		const color = getComputedStyle(e).backgroundColor;
		return color === "rgba(0, 0, 0, 0)" && e.parentElement ? behind(e.parentElement) : color;
	};
	return Math.min(...[...document.querySelectorAll("h1, td, th, a, p, li, span, code, time, label, footer, .chain span")].map(e => {
		const ink = light(getComputedStyle(e).color), paper = light(behind(e));
		return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
	}));
})()`

// TestLightAndDark has each text readable on each paper.
func TestLightAndDark(t *testing.T) {
	v := open(t, "/ui/apps/popapps/statefulset/search")
	papers := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		v.prefer(scheme)
		papers[tell[string](v, `getComputedStyle(document.body).backgroundColor`)] = true
		if contrast := tell[float64](v, contrasts); contrast < 4.5 {
			t.Errorf("%s: the least contrast is %.2f, want 4.5", scheme, contrast)
		}
	}
	if len(papers) != 2 {
		t.Errorf("light and dark look the same: %v", papers)
	}
	v.clean()
}

// TestWidths fits the pages into windows from a telephone's on, without scrolling
// sideways, and breaks no word of a heading.
func TestWidths(t *testing.T) {
	for _, target := range []string{"/ui/", "/ui/apps/popapps/statefulset/search"} {
		v := open(t, target)
		for _, width := range []int64{360, 420, 800, 1280} {
			v.do("resize", chromedp.EmulateViewport(width, 800))
			if over := tell[int](v, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				t.Errorf("%s at %d pixels is %d pixels too wide", target, width, over)
			}
			if broken := tell[[]string](v, brokenWords); len(broken) > 0 {
				t.Errorf("%s at %d pixels breaks %q over lines", target, width, broken)
			}
		}
	}
}

// brokenWords are words of up to 16 letters that a cell has on two lines.
const brokenWords = `(() => {
	const range = document.createRange(), broken = [];
	const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const text = texts.currentNode;
		for (const word of text.data.matchAll(/[A-Za-z]{3,16}/g)) {
			const before = text.data[word.index - 1] ?? " ", after = text.data[word.index + word[0].length] ?? " ";
			if (!/\s/.test(before) || !/\s/.test(after)) continue; // a part of a name
			range.setStart(text, word.index);
			range.setEnd(text, word.index + word[0].length);
			if (new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1) broken.push(word[0]);
		}
	}
	return broken;
})()`

// TestPicture keeps the picture of the documentation small, and takes it again
// with -update.
func TestPicture(t *testing.T) {
	if *update {
		v := open(t, "/ui/apps/popapps/statefulset/search")
		v.prefer("light")
		v.do("size", chromedp.EmulateViewport(1280, 900))
		png := send(v, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng}).Data
		if err := os.WriteFile(picture, png, 0o644); err != nil { //nolint:gosec // everybody may read it
			t.Fatal(err)
		}
	}
	info, err := os.Stat(picture)
	if err != nil {
		t.Fatal(fmt.Errorf("%w: make test-browser UPDATE=-update takes it", err))
	}
	if info.Size() > pictureBytes {
		t.Errorf("%s has %d bytes, want %d at most", picture, info.Size(), pictureBytes)
	}
}
