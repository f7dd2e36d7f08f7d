package ashbytest

import (
	"html"
	"regexp"
	"strings"
	"time"
)

// instant writes a time as Ashby does.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// postal wraps an address as Ashby does; without one the field is null.
func postal(address map[string]any) any {
	if address == nil {
		return nil
	}
	return map[string]any{"postalAddress": address}
}

var (
	droppedElements = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>`)
	blockEnds       = regexp.MustCompile(`(?i)</(p|div|h[1-6]|ul|ol|table)>|<br\s*/?>`)
	tags            = regexp.MustCompile(`<[^>]*>`)
	manyNewlines    = regexp.MustCompile(`\n{3,}`)
)

// plainText gives the text of made-up HTML. It is no sanitiser: it only has to look like Ashby's plain fields.
func plainText(source string) string {
	text := droppedElements.ReplaceAllString(source, "")
	text = strings.ReplaceAll(text, "<li>", "\n - ")
	text = blockEnds.ReplaceAllString(text, "\n\n")
	text = html.UnescapeString(tags.ReplaceAllString(text, ""))
	return strings.TrimSpace(manyNewlines.ReplaceAllString(text, "\n\n"))
}
