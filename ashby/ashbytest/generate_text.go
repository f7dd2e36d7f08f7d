package ashbytest

import (
	"fmt"
	"html"
	"math/rand/v2"
	"strings"
)

// HostileMarker stands inside every script and event handler of generated descriptions. It must be found in no
// sanitised HTML.
const HostileMarker = "xss-canary"

var hostile = []string{
	`<script>document.title="` + HostileMarker + `"</script>`,
	`<p onclick="alert('` + HostileMarker + `')">Click for our benefits.</p>`,
	`<p><a href="javascript:alert('` + HostileMarker + `')">Apply now</a></p>`,
	`<img src="x" onerror="alert('` + HostileMarker + `')">`,
	`<iframe src="https://` + HostileMarker + `.example"></iframe>`,
	`<style>body{background:url(https://` + HostileMarker + `.example/a.png)}</style>`,
}

var (
	duties = []string{
		"Own a service from its first sketch to its pager", "Work with customers to find out what they mean",
		"Review code and designs, kindly & thoroughly", "Keep p99 latency < 100 ms and costs in sight",
		"Write down what you decide, and why", "Teach what you know", "Find out where we lose money, and stop it",
	}
	wishes = []string{
		"3–5 years of practice in a similar role", "Clear English in speech and writing", "Curiosity about other people's work",
		"Patience with old systems", "A driving licence is <em>not</em> needed", "Experience with teams over several time zones",
	}
	promises = []string{
		"30 days of holiday", "€1,000 a year for books & courses", "Public transport paid", "A sabbatical after 4 years", "Parental leave for all",
	}
)

// describe writes a posting's text in the manner of Ashby's editor: headings, lists, inline styles, links.
func (o *Organization) describe(p *posting, rng *rand.Rand, n int) {
	name, title := html.EscapeString(o.name), html.EscapeString(p.title)
	var b strings.Builder
	fmt.Fprintf(&b, `<h2><strong>The role</strong></h2><p style="min-height:1.5em">%s is looking for a %s.</p>`, name, title)
	b.WriteString(`<h3>What you will do</h3>` + bullets(rng, duties, 4))
	b.WriteString(`<h3>What you bring</h3>` + bullets(rng, wishes, 3))
	b.WriteString(`<h3>What we offer</h3>` + bullets(rng, promises, 3))
	fmt.Fprintf(&b, `<p style="min-height:1.5em">More on <a target="_blank" rel="noopener noreferrer" href="https://%s.example/team">our page</a>.</p>`, o.slug)
	if n%5 == 4 {
		b.WriteString(hostile[(n/5)%len(hostile)])
	}
	p.body = &richText{HTML: b.String(), Plain: plainText(b.String())}
	if n%2 == 0 {
		opening := fmt.Sprintf(`<h1><strong>About %s</strong></h1><p style="min-height:1.5em">We make tools that people rely on – every day.</p>`, name)
		p.opening = &richText{HTML: opening, Plain: plainText(opening)}
	}
	if n%3 == 1 {
		closing := `<p style="min-height:1.5em"></p><p><em>We hire without regard to origin, age, gender or disability.</em></p>`
		p.closing = &richText{HTML: closing, Plain: plainText(closing)}
	}
}

func bullets(rng *rand.Rand, lines []string, n int) string {
	var b strings.Builder
	b.WriteString(`<ul style="min-height:1.5em">`)
	for _, i := range rng.Perm(len(lines))[:n] {
		b.WriteString(`<li><p style="min-height:1.5em">` + escapeLoose(lines[i]) + `</p></li>`)
	}
	b.WriteString(`</ul>`)
	return b.String()
}

// escapeLoose escapes ampersands and comparisons, and leaves the tags in our own lines alone.
func escapeLoose(line string) string {
	return strings.ReplaceAll(strings.ReplaceAll(line, "&", "&amp;"), "< ", "&lt; ")
}
