package markup_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/bebitcoiner/ashbridge/internal/markup"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"styles go", `<p style="min-height:1.5em">Hello</p>`, `<p>Hello</p>`},
		{"classes and ids go", `<p class="a" id="b" data-x="1">Hello</p>`, `<p>Hello</p>`},
		{"script goes with its content", `<p>a</p><script>alert(1)</script><p>b</p>`, `<p>a</p><p>b</p>`},
		{"handlers go", `<p onclick="x()" ONMOUSEOVER=y()>a</p>`, `<p>a</p>`},
		{"svg handler goes", `<svg onload=alert(1)><p>a</p></svg>`, `<p>a</p>`},
		{
			"links leave the page", `<a href="https://a.example/x?a=1&b=2">a</a>`,
			`<a href="https://a.example/x?a=1&amp;b=2" rel="nofollow noopener" target="_blank">a</a>`,
		},
		{"mail links", `<a href="mailto:a@b.example">mail</a>`, `<a href="mailto:a@b.example" rel="nofollow">mail</a>`},
		{"javascript links lose the link", `<a href="javascript:alert(1)">a</a>`, `a`},
		{"disguised javascript links too", "<a href=\" jav\tascript:alert(1)\">a</a>", `a`},
		{"data links too", `<a href="data:text/html,x">a</a>`, `a`},
		{"relative links too", `<a href="/x">a</a>`, `a`},
		{
			"https images stay", `<img src="https://a.example/x.png" alt="x" width="9" onerror="y()">`,
			`<img src="https://a.example/x.png" alt="x"/>`,
		},
		{"http images go", `a<img src="http://a.example/x.png">b`, `ab`},
		{"data images go", `a<img src="data:image/png;base64,AAAA">b`, `ab`},
		{"images without source go", `a<img onerror=x()>b`, `ab`},
		{"frames and forms go", `<iframe src="https://a.example"></iframe><form action="x"><input value="y">a</form>`, `a`},
		{"open elements are closed", `<ul><li>a<li><strong>b`, `<ul><li>a</li><li><strong>b</strong></li></ul>`},
		{"stray ends are dropped", `</div></div>a</section>`, `a`},
		{"comments go", `a<!-- <script>x</script> -->b`, `ab`},
		{"unclosed frame keeps the next words", `<p>a</p><template><p>b</p></template><p>c</p>`, `<p>a</p><p>b</p><p>c</p>`},
		{"unclosed object keeps the next words", `<p>a</p><object><p>b</p>`, `<p>a</p><p>b</p>`},
		{"stray frame keeps the next words", `<p>a</p><frame><p>b</p>`, `<p>a</p><p>b</p>`},
		{"text stays escaped", `<p>a &lt;script&gt; b &amp; c</p>`, `<p>a &lt;script&gt; b &amp; c</p>`},
		{"removing an element settles", `<p>a<button><p>b</p></button></p>`, `<p>a</p><p>b</p><p></p>`},
		{"a link in a link settles", `<a href="https://a.example">a<table><a href="https://b.example">b</table>x`, strings.ReplaceAll(
			`<a href="https://a.example"R>a</a><a href="https://b.example"R>b</a><table></table><a href="https://b.example"R>x</a>`,
			"R", ` rel="nofollow noopener" target="_blank"`)},
		{
			"tables", `<table><tr><td colspan="2" bgcolor=red>a</td></tr></table>`,
			`<table><tbody><tr><td colspan="2">a</td></tr></tbody></table>`,
		},
		{"zero bytes go", "<p>a\x00b</p>", `<p>ab</p>`},
	}
	c := markup.New()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, c.HTML(tt.in)); diff != "" {
				t.Errorf("HTML(%q) (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// An ad nested deeper than a parser goes loses its markup, not its words.
func TestHTMLTooDeep(t *testing.T) {
	t.Parallel()
	c := markup.New()
	got := c.HTML(strings.Repeat("<div>", 2000) + "a & b" + strings.Repeat("</div>", 2000))
	if want := "<p>a &amp; b</p>"; got != want {
		t.Errorf("got %.80q, want %q", got, want)
	}
	if text := c.Text(got); text != "a & b" {
		t.Errorf("text: got %q", text)
	}
}

// A parser repeats open formatting elements in every paragraph; the ad must not grow by it.
func TestHTMLDoesNotExplode(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "<font color=%d><b><i><u><s>", i)
	}
	b.WriteString(strings.Repeat("<p>x", 20_000))
	c := markup.New()
	if got := c.HTML(b.String()); len(got) > 100*b.Len() {
		t.Errorf("%d bytes became %d", b.Len(), len(got))
	}
	deep := c.HTML(strings.Repeat("<ul><li>", 150) + strings.Repeat("<li>x", 2000))
	if text := c.Text(deep); len(text) > 2*len(deep) {
		t.Errorf("%d bytes of HTML became %d of text", len(deep), len(text))
	}
	long := c.HTML("<p>" + strings.Repeat("word ", 200_000) + "</p>")
	if !strings.HasPrefix(long, "<p>word word") || !strings.HasSuffix(long, "word</p>") {
		t.Errorf("a long ad lost its words: %.40q", long)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"paragraphs", "<h1>About</h1><p>One\n two.</p><p></p><p>Three.</p>", "About\n\nOne two.\n\nThree."},
		{"line breaks", "a<br>b<br/>c", "a\nb\nc"},
		{"inline elements do not part words", "<p>Add<strong>itional</strong> <em>pay</em></p>", "Additional pay"},
		{
			"lists", "<p>We offer</p><ul><li><p>pay</p></li><li>time<ul><li>more</li></ul></li></ul><p>Join</p>",
			"We offer\n\n- pay\n- time\n  - more\n\nJoin",
		},
		{"numbered lists", "<ol><li>a</li><li>b<br>c</li></ol>", "1. a\n2. b\n   c"},
		{"list at the beginning of an item", "<ul><li><ul><li>a</li><li>b</li></ul></li></ul>", "- - a\n  - b"},
		{
			"links", `<a href="https://a.example/x">Apply</a> or <a href="https://b.example">https://b.example</a>`,
			"Apply (https://a.example/x) or https://b.example",
		},
		{"mail", `<a href="mailto:a@b.example">a@b.example</a>`, "a@b.example"},
		{"quotes", "<blockquote><p>a</p><p>b</p></blockquote>c", "> a\n\n> b\n\nc"},
		{"tables", "<table><tr><th>a</th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>", "a | b\nc | d"},
		{"code", "<pre>a  b\n  c</pre>", "a  b\n  c"},
		{"entities", "<p>R&amp;D &lt;3 &nbsp; caf&eacute;</p>", "R&D <3 café"},
		{"rule and image", `a<hr><img src="https://a.example/i" alt="our office">`, "a\n\n---\n\nour office"},
		{"nothing", "<p> </p><ul><li></li></ul>", ""},
	}
	c := markup.New()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, c.Text(c.HTML(tt.in))); diff != "" {
				t.Errorf("Text(%q) (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// Whatever comes in, what goes out is on the allow-list and stays as it is when cleaned again.
func FuzzHTML(f *testing.F) {
	for _, seed := range []string{
		`<p style="x">a</p><ul><li>b`, `<a href="javascript:alert(1)" onclick=x>a</a>`, `<scr<script>ipt>alert(1)</script>`,
		`<svg><style><img src=x onerror=alert(1)></style></svg>`, `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
		`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<p>a<button><p>b</p></button></p>`,
		`<table><a href="https://x.example">a<tr><td>b</table>`, "<pre>\n\na\r\nb</pre>", `<a href="https://a.example"><a href="https://b.example">x`,
		`<template><div></template></div>`, `<img src="https://x.example/&quot;onerror=x" alt='"'>`, `<a href="java&#10;script:x">`, "&#0;&#13;\xff<b>",
		`<plaintext><p>a`, `<xmp><script>x</script></xmp>`, `<textarea><p>a</textarea>`, `<select><option><p>x</select>`, `<form><p><div><b><i></p>x`,
	} {
		f.Add(seed)
	}
	c := markup.New()
	f.Fuzz(func(t *testing.T, in string) {
		out := c.HTML(in)
		requireClean(t, out)
		if again := c.HTML(out); again != out {
			t.Errorf("not idempotent:\n in %q\nout %q\nnow %q", in, out, again)
		}
		if other := markup.New().HTML(in); other != out {
			t.Errorf("not deterministic: %q and %q", out, other)
		}
		c.Text(out)
	})
}

var (
	allowedElements = strings.Fields("h1 h2 h3 h4 h5 h6 p br hr div section article blockquote pre code ul ol li dl dt dd " +
		"strong em b i u s sub sup small table caption thead tbody tfoot tr th td figure figcaption a img")
	allowedAttributes = strings.Fields("href rel target src alt colspan rowspan")
)

// requireClean reads the output as a browser's tokenizer would and knows nothing of how it was made.
func requireClean(t *testing.T, out string) {
	t.Helper()
	if strings.Contains(strings.ToLower(out), "<script") {
		t.Errorf("script in %q", out)
	}
	z := html.NewTokenizer(strings.NewReader(out))
	for z.Next() != html.ErrorToken {
		tok := z.Token()
		if tok.Type == html.CommentToken || tok.Type == html.DoctypeToken {
			t.Errorf("%v in %q", tok.Type, out)
		}
		if tok.Type == html.TextToken {
			continue
		}
		if !slices.Contains(allowedElements, tok.Data) {
			t.Errorf("element %q in %q", tok.Data, out)
		}
		for _, a := range tok.Attr {
			if !slices.Contains(allowedAttributes, a.Key) {
				t.Errorf("attribute %q in %q", a.Key, out)
			}
			scheme, _, _ := strings.Cut(strings.ToLower(a.Val), ":")
			if a.Key == "href" && !slices.Contains([]string{"http", "https", "mailto"}, scheme) ||
				a.Key == "src" && scheme != "https" {
				t.Errorf("address %q in %q", a.Val, out)
			}
		}
	}
}
