package markup

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Text renders an ad that HTML has cleaned as plain text: paragraphs apart by a blank line, list items on lines of their
// own with "- " or "1. ", links followed by their address in brackets. No word of the ad is lost.
func (c *Cleaner) Text(ad string) string {
	nodes, err := parse(ad)
	if err != nil {
		return html.UnescapeString(c.plain.Sanitize(ad))
	}
	var w textWriter
	for _, n := range nodes {
		w.node(n)
	}
	return w.b.String()
}

// textWriter writes words and keeps back what goes between them, so that no blank line or space is written twice or at
// an end.
type textWriter struct {
	b      strings.Builder
	breaks int    // line breaks to write before the next word
	space  bool   // a space to write before the next word
	indent string // begins every line
	bullet string // begins the next line instead, once
	lists  int    // how many lists are open
}

func (w *textWriter) node(n *html.Node) {
	if n.Type == html.TextNode {
		w.text(n)
		return
	}
	switch n.DataAtom {
	case atom.Br:
		w.breaks++
	case atom.Hr:
		w.block()
		w.word("---")
		w.block()
	case atom.Img:
		w.words(attr(n, "alt"))
	case atom.A:
		w.link(n)
	case atom.Ul, atom.Ol:
		w.list(n)
	case atom.Blockquote:
		w.block()
		w.indented("> ", "> ", n)
		w.block()
	case atom.Td, atom.Th:
		w.children(n)
		if n.NextSibling != nil {
			w.words(" | ")
		}
	case atom.Tr, atom.Dt, atom.Dd, atom.Caption, atom.Figcaption, atom.Li:
		w.line()
		w.children(n)
		w.line()
	case atom.P, atom.Div, atom.Section, atom.Article, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Pre,
		atom.Table, atom.Dl, atom.Figure:
		w.block()
		w.children(n)
		w.block()
	default:
		w.children(n)
	}
}

func (w *textWriter) children(n *html.Node) {
	for c := range n.ChildNodes() {
		w.node(c)
	}
}

// text writes a text node; inside <pre> its lines stay as they are.
func (w *textWriter) text(n *html.Node) {
	if !within(n, atom.Pre) {
		w.words(n.Data)
		return
	}
	for i, line := range strings.Split(n.Data, "\n") {
		if i > 0 {
			w.breaks++
		}
		if line != "" {
			w.word(line)
		}
	}
}

// link writes the words of a link and its address, unless the words are the address.
func (w *textWriter) link(n *html.Node) {
	w.children(n)
	href, words := attr(n, "href"), strings.TrimSpace(content(n))
	if href == "" || href == words || href == "mailto:"+words {
		return
	}
	w.words(" (" + href + ")")
}

func (w *textWriter) list(n *html.Node) {
	w.block()
	w.lists++
	number := 0
	for c := range n.ChildNodes() {
		if c.DataAtom != atom.Li {
			w.node(c)
			continue
		}
		bullet := "- "
		if n.DataAtom == atom.Ol {
			number++
			bullet = strconv.Itoa(number) + ". "
		}
		w.line()
		w.indented(bullet, strings.Repeat(" ", len(bullet)), c)
		w.line()
	}
	w.lists--
	w.block()
}

// indented writes the children of n with first before their first line and rest before the others.
func (w *textWriter) indented(first, rest string, n *html.Node) {
	indent := w.indent
	if w.bullet != "" { // a list that begins inside an item: one line carries both bullets
		first = w.bullet + first
	} else {
		first = indent + first
	}
	if len(indent) < maxIndent {
		w.indent = indent + rest
	}
	w.bullet = first
	w.children(n)
	w.indent, w.bullet = indent, ""
}

// line asks for a new line, block for a blank line; within lists there are no blank lines.
func (w *textWriter) line() { w.breaks = max(w.breaks, 1) }

func (w *textWriter) block() {
	if w.lists > 0 {
		w.line()
		return
	}
	w.breaks = max(w.breaks, 2)
}

func (w *textWriter) words(s string) {
	rest := strings.TrimLeft(s, spaces)
	w.space = w.space || len(rest) < len(s)
	for rest != "" {
		end := strings.IndexAny(rest, spaces)
		if end < 0 {
			w.word(rest)
			return
		}
		w.word(rest[:end])
		w.space = true
		rest = strings.TrimLeft(rest[end:], spaces)
	}
}

// maxIndent is where nested lists stop moving to the right, so that deep nesting cannot blow a text up.
const maxIndent = 16

// spaces are what HTML collapses, and the no-break space, which plain text needs no more than the others.
const spaces = " \t\n\r\f\v\u00a0"

func (w *textWriter) word(s string) {
	switch {
	case w.b.Len() == 0:
		w.begin()
	case w.breaks > 0:
		w.b.WriteString(strings.Repeat("\n", min(w.breaks, 2)))
		w.begin()
	case w.space:
		w.b.WriteByte(' ')
	}
	w.breaks, w.space = 0, false
	w.b.WriteString(s)
}

func (w *textWriter) begin() {
	if w.bullet == "" {
		w.b.WriteString(w.indent)
		return
	}
	w.b.WriteString(w.bullet)
	w.bullet = ""
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func within(n *html.Node, a atom.Atom) bool {
	for p := range n.Ancestors() {
		if p.DataAtom == a {
			return true
		}
	}
	return false
}
