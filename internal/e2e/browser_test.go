package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// findBrowser is the path of a Chromium or Chrome, found where ops/install-chromium.sh looks.
func findBrowser(t testing.TB) string {
	t.Helper()
	names := []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	}
	if own := os.Getenv("CHROME_BIN"); own != "" {
		names = []string{own}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium or Chrome to look at pages with: ops/install-chromium.sh installs one, CHROME_BIN names one")
	return ""
}

// tab is a page in a headless browser. What its console says against the page fails the test.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// newBrowser starts a browser with one empty tab.
func newBrowser(t testing.TB) tab {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(findBrowser(t)), chromedp.WindowSize(1200, 1000))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with one
	}
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	return newTab(ctx, t)
}

// another opens a second tab of the same browser.
func (b tab) another() tab { b.t.Helper(); return newTab(b.ctx, b.t) }

func newTab(parent context.Context, t testing.TB) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	messages := chromedp.Console(ctx)
	var reading sync.WaitGroup
	t.Cleanup(func() {
		ending, end := context.WithTimeout(ctx, patience)
		defer end()
		if err := chromedp.Cancel(ending); err != nil {
			t.Logf("closing the tab: %v", err)
		}
		cancel()
		reading.Wait()
	})
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Source != "network" { // it complains of every 410
				t.Errorf("the browser's console: %s %s %s", m.Type, m.Source, m.Text)
			}
		}
	})
	return tab{t: t, ctx: ctx}
}

// open loads an address.
func (b tab) open(url string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("opening %s: %v", url, err)
	}
}

// until waits until an expression is true in the page, and looks whenever the page changes.
func (b tab) until(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(5*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
		b.t.Fatalf("waited in vain until %s: %v\n%s", what, err, b.value("document.body.innerText"))
	}
}

// value is what an expression gives in the page, as text.
func (b tab) value(expression string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("String(%s)", expression)))
	if err != nil {
		b.t.Fatalf("asking the page for %s: %v", expression, err)
	}
	return v
}

// act does something as a visitor would.
func (b tab) act(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}
