package board

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

//go:embed html/*.html
var htmlFiles embed.FS

//go:embed static/*
var staticFiles embed.FS

// maxSearch bounds what is searched for, in bytes.
const maxSearch = 200

// pages are the parsed templates and the files beside them.
type pages struct {
	list, job, message *template.Template
	static             map[string]asset
}

// asset is a file that browsers keep: its address changes with its contents.
type asset struct {
	content []byte
	mime    string
	version string
}

// mimes of the files; the system's table may know others or none.
var mimes = map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

func parsePages() (*pages, error) {
	p := &pages{static: map[string]asset{}}
	names, err := fs.Glob(staticFiles, "static/*")
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		content, err := staticFiles.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path, "static/")
		sum := sha256.Sum256(content)
		p.static[name] = asset{content: content, mime: mimes[name[strings.LastIndexByte(name, '.')+1:]], version: hex.EncodeToString(sum[:6])}
	}
	functions := template.FuncMap{
		"asset": func(name string) string { return "/static/" + name + "?v=" + p.static[name].version },
		"words": spaced,
	}
	for name, to := range map[string]**template.Template{"list": &p.list, "job": &p.job, "message": &p.message} {
		*to, err = template.New("layout.html").Funcs(functions).ParseFS(htmlFiles, "html/layout.html", "html/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parsing the page %q: %w", name, err)
		}
	}
	return p, nil
}

// Handler serves the board. Run does it on a listener.
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.showList)
	mux.HandleFunc("GET /jobs/{connection}/{posting}", b.showJob)
	mux.HandleFunc("GET /live", b.live)
	mux.HandleFunc("GET /static/{name}", b.sendStatic)
	mux.HandleFunc("GET /healthz", b.health)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		b.say(w, r, http.StatusNotFound, "There is nothing here", "The address may be mistyped. All open jobs are on the front page.")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// guard sets what holds for all answers: scripts, styles and requests of our own alone, so that a hostile text which
// slipped through everything else could still do nothing. The JSON-LD is data, which no browser runs, and needs no
// exception. Ads may bring pictures from elsewhere, over https; nothing else may.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

func (b *Board) showList(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r.URL.Query())
	at := b.hub.position() // before the search, so that no change falls between
	found, err := b.store.Search(r.Context(), q)
	if err != nil {
		b.fail(w, r, "searching jobs", err)
		return
	}
	b.render(w, r, http.StatusOK, b.pages.list, b.listView(b.layout(r, at), q, found))
}

func (b *Board) showJob(w http.ResponseWriter, r *http.Request) {
	at := b.hub.position()
	j, err := b.store.Job(r.Context(), r.PathValue("connection"), r.PathValue("posting"))
	switch {
	case errors.Is(err, ErrUnknown):
		b.say(w, r, http.StatusNotFound, "There is no such job", "The address may be mistyped. All open jobs are on the front page.")
	case err != nil:
		b.fail(w, r, "reading a job", err)
	case !j.Open:
		b.render(w, r, http.StatusGone, b.pages.message, b.closedView(b.layout(r, at), j))
	default:
		b.render(w, r, http.StatusOK, b.pages.job, b.jobView(b.layout(r, at), j))
	}
}

// queryOf reads a query from an address. What makes no sense is left out.
func queryOf(v url.Values) Query {
	words := v.Get("q")
	if len(words) > maxSearch {
		words = strings.ToValidUTF8(words[:maxSearch], "")
	}
	page, err := strconv.Atoi(v.Get("page"))
	if err != nil {
		page = 1
	}
	q := Query{
		Words: words, Page: page, Employer: v.Get("employer"), Department: v.Get("department"), Location: v.Get("location"),
		Workplace: v.Get("workplace"), Employment: v.Get("employment"),
	}
	for _, s := range []*string{&q.Words, &q.Employer, &q.Department, &q.Location, &q.Workplace, &q.Employment} {
		*s = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(*s, ""), "\x00", "")) // Postgres takes neither
	}
	return q
}

// values is the query as an address has it.
func (q Query) values() url.Values {
	v := url.Values{}
	for name, s := range map[string]string{
		"q": q.Words, "employer": q.Employer, "department": q.Department, "location": q.Location, "workplace": q.Workplace,
		"employment": q.Employment,
	} {
		if s != "" {
			v.Set(name, s)
		}
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	return v
}

// path is the list's address with this query.
func (q Query) path() string {
	if encoded := q.values().Encode(); encoded != "" {
		return "/?" + encoded
	}
	return "/"
}

// say shows a page with a message.
func (b *Board) say(w http.ResponseWriter, r *http.Request, status int, heading, text string) {
	v := messageView{layout: b.layout(r, b.hub.position()), Heading: heading, Text: text}
	v.Title, v.Canonical, v.IsHidden = heading+" · "+b.o.Name, "", true
	b.render(w, r, status, b.pages.message, v)
}

// fail answers that something went wrong; what, is for the log.
func (b *Board) fail(w http.ResponseWriter, r *http.Request, doing string, err error) {
	if r.Context().Err() != nil { // nobody waits for the answer
		return
	}
	b.log.ErrorContext(r.Context(), "a page could not be shown", "doing", doing, "error", err)
	w.Header().Set("Retry-After", "5")
	b.say(w, r, http.StatusServiceUnavailable, "This does not work right now", "Something is broken on our side. Please try again in a moment.")
}

// render writes a page, in one piece: a template that fails leaves no half of it.
func (b *Board) render(w http.ResponseWriter, r *http.Request, status int, t *template.Template, view any) {
	var page bytes.Buffer
	if err := t.Execute(&page, view); err != nil {
		b.log.ErrorContext(r.Context(), "a page could not be rendered", "error", err)
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // it may be old in a second
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the reader may be gone
}

func (b *Board) sendStatic(w http.ResponseWriter, r *http.Request) {
	a, ok := b.pages.static[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.mime)
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	_, _ = w.Write(a.content) // the reader may be gone
}

// health is for whoever watches the process: 200 while the store answers.
func (b *Board) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := b.store.Ping(r.Context()); err != nil {
		b.log.ErrorContext(r.Context(), "the store does not answer", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"the store does not answer"}` + "\n"))
		return
	}
	_, _ = fmt.Fprintf(w, "{\"status\":\"ok\",\"caught_up\":%t}\n", b.caughtUp.Load())
}
