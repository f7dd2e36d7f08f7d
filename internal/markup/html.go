package markup

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// elements are those that an ad may use without attributes: blocks, lists, emphasis, tables. None can run code, load
// anything or place itself elsewhere on the page.
var elements = []string{
	"h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "div", "section", "article", "blockquote", "pre", "code",
	"ul", "ol", "li", "dl", "dt", "dd", "strong", "em", "b", "i", "u", "s", "sub", "sup", "small",
	"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption",
}

var (
	httpsURL = regexp.MustCompile(`^https://[^\s]+$`)
	span     = regexp.MustCompile(`^[1-9][0-9]?$`)
)

// maxPasses bounds how often an ad is parsed and cleaned until it no longer changes. Real ads take two passes, the
// second to see that nothing changed.
const maxPasses = 8

// maxAd is how many bytes of markup are worth parsing. A long ad has 20 kB.
const maxAd = 512 << 10

// Cleaner cleans job ads. It is safe for concurrent use.
type Cleaner struct {
	ads   *bluemonday.Policy
	plain *bluemonday.Policy
}

// New returns a Cleaner with the allow-list for job ads.
func New() *Cleaner {
	p := bluemonday.NewPolicy()
	p.AllowElements(elements...)
	p.AllowNoAttrs().OnElements(elements...)
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.AllowAttrs("href").OnElements("a")
	p.RequireNoFollowOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.AllowAttrs("src").Matching(httpsURL).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("colspan", "rowspan").Matching(span).OnElements("th", "td")
	// A parser ignores these tags and reads on; without this an unclosed one would take the rest of the ad with it.
	p.AllowElementsContent("object", "frame", "frameset")
	return &Cleaner{ads: p, plain: bluemonday.StrictPolicy()}
}

// HTML returns the ad with everything removed that is not on the allow-list. Links leave the page they stand on
// (target _blank) and give it nothing (rel nofollow noopener); images come over https or not at all.
//
// Cleaning can make markup invalid that was valid (taking away an element between two paragraphs puts one inside the
// other), and parsing it again then moves things. So both are repeated until nothing changes; input that never settles,
// is too long, or is nested too deeply to be parsed, loses its markup and keeps its words.
func (c *Cleaner) HTML(ad string) string {
	ad = strings.ReplaceAll(strings.ToValidUTF8(ad, ""), "\x00", "")
	if len(ad) > maxAd {
		return c.paragraph(ad)
	}
	// Cleaned before it is parsed, too: a parser repeats open <font> elements in each paragraph, which can make
	// gigabytes of a small ad.
	current := c.ads.Sanitize(ad)
	for range maxPasses {
		balanced, err := balance(current)
		if err != nil {
			break
		}
		next := c.ads.Sanitize(balanced)
		if next == current {
			return next
		}
		current = next
	}
	return c.paragraph(ad)
}

// paragraph keeps the words alone.
func (c *Cleaner) paragraph(ad string) string {
	words := strings.TrimSpace(c.plain.Sanitize(ad))
	if words == "" {
		return ""
	}
	return "<p>" + words + "</p>"
}

// balance closes what is open and drops what closes nothing, as a browser would.
func balance(ad string) (string, error) {
	nodes, err := parse(ad)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.Grow(len(ad))
	for _, n := range nodes {
		if err := html.Render(&b, n); err != nil {
			return "", fmt.Errorf("rendering job ad: %w", err)
		}
	}
	return b.String(), nil
}

func parse(ad string) ([]*html.Node, error) {
	body := &html.Node{Type: html.ElementNode, DataAtom: atom.Body, Data: "body"}
	nodes, err := html.ParseFragment(strings.NewReader(ad), body)
	if err != nil {
		return nil, fmt.Errorf("parsing job ad: %w", err)
	}
	return nodes, nil
}
