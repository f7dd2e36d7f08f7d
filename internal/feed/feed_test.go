package feed_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/feed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

var changed = time.Date(2026, 11, 23, 11, 59, 58, 123456000, time.FixedZone("", 3600))

func channel() feed.Channel {
	return feed.Channel{
		Name: "Jobs & <more>", Link: "https://bridge.example.com", Self: "https://bridge.example.com/feeds/t/jobs.rss?a&b",
		Changed: changed,
	}
}

func write(t testing.TB, f feed.Format, jobs ...events.Job) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := feed.NewWriter(&b, f, channel())
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range jobs {
		doc, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(feed.Job{Doc: doc, Version: int64(i + 1), ChangedAt: changed}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func full() events.Job {
	date, updated := "2026-11-20", time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	deadline := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	low, high := json.Number("151000"), json.Number("231000.50")
	return events.Job{
		ID: "p-1", JobID: "j-1", Connection: "c-1", EmployerName: "Acme & Sons", Title: "Senior Engineer, R&D",
		DescriptionHTML: "<p>Build <strong>rockets</strong> &amp; more.</p>", DescriptionText: "Build rockets & more.",
		DepartmentPath: []string{"Engineering", "Propulsion"},
		Locations: []events.Location{
			{ID: "l-1", Name: "Berlin HQ", Primary: true, Address: events.Address{
				Street: "Hauptstr. 1", Locality: "Berlin", Region: "BE", PostalCode: "10115", Country: "Germany",
			}},
			{ID: "l-2", Name: "Remote (EU)", Remote: true},
			{Name: "Ulm"},
			{ID: "l-2", Name: "Remote (EU)", Remote: true},
		},
		WorkplaceType: "Hybrid", EmploymentType: "FullTime",
		Pay: &events.Pay{Summary: "€151K – €231K", Tiers: []events.PayTier{{Components: []events.PayComponent{
			{Type: "Salary", Interval: "1 YEAR", Currency: "EUR", Min: &low},
			{Type: "Salary", Interval: "1 YEAR", Currency: "EUR", Min: &low, Max: &high},
		}}}},
		JobURL: "https://jobs.example/acme/1?a=1&b=2", PublishedOn: &date, UpdatedAt: &updated, ApplicationDeadline: &deadline,
		JSONLD: json.RawMessage(`{"@type":"JobPosting","baseSalary":{"@type":"MonetaryAmount","currency":"EUR",` +
			`"value":{"@type":"QuantitativeValue","minValue":151000,"maxValue":231000.50,"unitText":"YEAR"}}}`),
	}
}

// These read the documents as a board would, knowing nothing of how they are written.
type source struct {
	XMLName   xml.Name `xml:"source"`
	Publisher string   `xml:"publisher"`
	URL       string   `xml:"publisherurl"`
	Built     string   `xml:"lastBuildDate"`
	Jobs      []ad     `xml:"job"`
}

type ad struct {
	Title       string `xml:"title"`
	Date        string `xml:"date"`
	Reference   string `xml:"referencenumber"`
	Requisition string `xml:"requisitionid"`
	URL         string `xml:"url"`
	Company     string `xml:"company"`
	City        string `xml:"city"`
	State       string `xml:"state"`
	Country     string `xml:"country"`
	PostalCode  string `xml:"postalcode"`
	Street      string `xml:"streetaddress"`
	Description string `xml:"description"`
	Salary      string `xml:"salary"`
	JobType     string `xml:"jobtype"`
	Category    string `xml:"category"`
	Expires     string `xml:"expirationdate"`
	Remote      string `xml:"remotetype"`
	Active      string `xml:"lastactivitydate"`
}

type rss struct {
	XMLName xml.Name `xml:"rss"`
	Version string   `xml:"version,attr"`
	Channel struct {
		Title string `xml:"title"`
		// Self stands before Links, which would take it otherwise.
		Self struct {
			Href string `xml:"href,attr"`
			Rel  string `xml:"rel,attr"`
			Type string `xml:"type,attr"`
		} `xml:"http://www.w3.org/2005/Atom link"`
		Links []string `xml:"link"`
		About string   `xml:"description"`
		Built string   `xml:"lastBuildDate"`
		Items []item   `xml:"item"`
	} `xml:"channel"`
}

type item struct {
	Title string `xml:"title"`
	Link  string `xml:"link"`
	GUID  struct {
		PermaLink string `xml:"isPermaLink,attr"`
		Text      string `xml:",chardata"`
	} `xml:"guid"`
	Published   string   `xml:"pubDate"`
	Creator     string   `xml:"http://purl.org/dc/elements/1.1/ creator"`
	Categories  []string `xml:"category"`
	Description string   `xml:"description"`
	Content     string   `xml:"http://purl.org/rss/1.0/modules/content/ encoded"`
}

// parse reads a document to its very end.
func parse(t testing.TB, raw []byte, into any) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(into); err != nil {
		t.Fatalf("not well-formed: %v\n%q", err, raw)
	}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if text, ok := tok.(xml.CharData); err != nil || !ok || len(bytes.TrimSpace(text)) > 0 {
			t.Fatalf("after the end: %v %v", tok, err)
		}
	}
}

func TestXML(t *testing.T) {
	t.Parallel()
	var got source
	parse(t, write(t, feed.XML, full(), events.Job{ID: "p-2", Title: "Bare", EmploymentType: "Intern"}), &got)
	if got.Publisher != "Jobs & <more>" || got.URL != "https://bridge.example.com" || got.Built != "Mon, 23 Nov 2026 10:59:58 GMT" {
		t.Errorf("%+v", got)
	}
	first := ad{
		Title: "Senior Engineer, R&D", Date: "2026-11-20", Reference: "p-1", Requisition: "j-1",
		URL: "https://jobs.example/acme/1?a=1&b=2", Company: "Acme & Sons", City: "Berlin", State: "BE", Country: "Germany",
		PostalCode: "10115", Street: "Hauptstr. 1", Description: "<p>Build <strong>rockets</strong> &amp; more.</p>",
		Salary: "EUR 151000 - 231000.50 per year", JobType: "fulltime", Category: "Engineering / Propulsion",
		Expires: "2026-12-31T23:00:00Z", Remote: "Hybrid remote", Active: "2026-11-23T10:00:00Z",
	}
	second := first
	second.Reference, second.City, second.State, second.Country, second.PostalCode, second.Street = "p-1-l-2", "", "", "", "", ""
	third := second
	third.City = "Ulm"
	if len(got.Jobs) == 4 {
		third.Reference = got.Jobs[2].Reference
	}
	bare := ad{Title: "Bare", Date: "2026-11-23", Reference: "p-2", JobType: "internship", Active: "2026-11-23T10:59:58Z"}
	if diff := cmp.Diff([]ad{first, second, third, bare}, got.Jobs); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(third.Reference, "p-1-") || len(third.Reference) != 20 {
		t.Errorf("the number of a place without an id: %q", third.Reference)
	}
}

func TestCountryCode(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := feed.NewWriter(&b, feed.XML, channel())
	if err != nil {
		t.Fatal(err)
	}
	doc := json.RawMessage(`{"id":"p","locations":[{"address":{"country":"Germany","country_code":"DE"}}]}`)
	if err := errors.Join(w.Add(feed.Job{Doc: doc}), w.Close()); err != nil {
		t.Fatal(err)
	}
	var got source
	parse(t, b.Bytes(), &got)
	if got.Jobs[0].Country != "DE" {
		t.Errorf("country %q", got.Jobs[0].Country)
	}
}

// The salary is that of the JSON-LD, so that a board which reads both is told one thing.
func TestSalary(t *testing.T) {
	t.Parallel()
	amount := func(currency, value string) string {
		return `{"baseSalary":{"currency":"` + currency + `","value":` + value + `}}`
	}
	for ld, want := range map[string]string{
		amount("GBP", `{"minValue":20,"maxValue":25.50,"unitText":"HOUR"}`): "GBP 20 - 25.50 per hour",
		amount("GBP", `{"value":20,"unitText":"MONTH"}`):                    "GBP 20 per month",
		amount("GBP", `{"minValue":20,"unitText":"DAY"}`):                   "GBP 20 per day",
		amount("GBP", `{"maxValue":25,"unitText":"WEEK"}`):                  "GBP 25 per week",
		amount("GBP", `{"unitText":"YEAR"}`):                                "in words",
		amount("", `{"value":20,"unitText":"YEAR"}`):                        "in words",
		amount("GBP", `{"value":20}`):                                       "in words",
		`{"@type":"JobPosting"}`:                                            "in words",
		`null`:                                                              "in words",
	} {
		j := full()
		j.JSONLD, j.Pay.Summary = json.RawMessage(ld), "in words"
		var got source
		parse(t, write(t, feed.XML, j), &got)
		if got.Jobs[0].Salary != want {
			t.Errorf("%s: %q instead of %q", ld, got.Jobs[0].Salary, want)
		}
	}
	j := full()
	j.JSONLD, j.Pay = json.RawMessage(`{}`), nil
	var got source
	parse(t, write(t, feed.XML, j), &got)
	if got.Jobs[0].Salary != "" {
		t.Errorf("without pay: %q", got.Jobs[0].Salary)
	}
}

func TestRSS(t *testing.T) {
	t.Parallel()
	j := full()
	j.DescriptionText = strings.Repeat("Wörter ", 100)
	odd, none := "someday", events.Job{ID: "p-2", Connection: "c-1"}
	none.PublishedOn = &odd
	var got rss
	parse(t, write(t, feed.RSS, j, none), &got)
	c := got.Channel
	if got.Version != "2.0" || c.Title != "Jobs & <more>" || c.About == "" || c.Links[0] != "https://bridge.example.com" ||
		c.Self.Rel != "self" || c.Self.Href != channel().Self || c.Self.Type != "application/rss+xml" || len(c.Items) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, date := range []string{c.Built, c.Items[0].Published} {
		if _, err := mail.ParseDate(date); err != nil {
			t.Errorf("%q is no date of RFC 822: %v", date, err)
		}
	}
	i := c.Items[0]
	if i.Title != j.Title || i.Link != j.JobURL || i.GUID.PermaLink != "false" || i.GUID.Text != "c-1/p-1" ||
		i.Published != "Fri, 20 Nov 2026 00:00:00 GMT" || i.Creator != j.EmployerName || len(i.Categories) != 2 ||
		i.Content != j.DescriptionHTML {
		t.Errorf("%+v", i)
	}
	if n := utf8.RuneCountInString(i.Description); n > 301 || n < 280 || !strings.HasSuffix(i.Description, "Wörter…") {
		t.Errorf("excerpt of %d: %q", n, i.Description)
	}
	if c.Items[1].Published != "" {
		t.Errorf("a date of %q", odd)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var got struct {
		Version int
		Jobs    []struct {
			Job       events.Job
			Version   int64
			State     string
			ChangedAt time.Time `json:"changed_at"`
		}
	}
	if err := json.Unmarshal(write(t, feed.JSON, full(), events.Job{ID: "p-2"}), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || len(got.Jobs) != 2 || got.Jobs[1].Version != 2 || got.Jobs[1].State != "open" ||
		!got.Jobs[0].ChangedAt.Equal(changed) {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(full(), got.Jobs[0].Job); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal(write(t, feed.JSON), &got); err != nil {
		t.Errorf("without a job: %v", err)
	}
}

// What is not closed must not pass for a document.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	for _, f := range []feed.Format{feed.JSON, feed.XML, feed.RSS} {
		var b bytes.Buffer
		w, err := feed.NewWriter(&b, f, channel())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(feed.Job{Doc: json.RawMessage(`{"id":"p"}`)}); err != nil {
			t.Fatal(err)
		}
		var value any
		if json.Unmarshal(b.Bytes(), &value) == nil || xml.Unmarshal(b.Bytes(), new(source)) == nil || xml.Unmarshal(b.Bytes(), new(rss)) == nil {
			t.Errorf("%s passes for complete: %s", f, b.Bytes())
		}
	}
	if _, err := feed.NewWriter(io.Discard, "pdf", channel()); err == nil {
		t.Error("an unknown format")
	}
}

var hostile = []string{
	"]]>", "a]]>b]]]>c", "]]", ">", "<![CDATA[x]]>", "</description></job></source>", "</title></item></channel></rss>",
	"<script>alert(1)</script>", "&amp; &#0; &unknown;", "\x00\x01\x08\x0b\x0c\x1f", "\ufffe\uffff", "\u202eRTL\u202c", "👩‍💻🏳️‍🌈",
	"\r\n\t", "--> <!-- -->", "<?xml version=\"1.0\"?>", "\xff\xfe\x80", strings.Repeat("]]>", 1000), "\ud7ff\ue000", "ي עברית",
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		check(t, text)
	}
}

func FuzzDocuments(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, text) })
}

// check has every text of a job be the one given and requires that a reader gets it back, without what XML cannot carry.
func check(t *testing.T, text string) {
	t.Helper()
	j := events.Job{
		ID: "p", Connection: "c", JobID: text, Title: text, DescriptionHTML: text, DescriptionText: text, EmployerName: text,
		JobURL: text, EmploymentType: text, WorkplaceType: text, DepartmentPath: []string{text}, PublishedOn: &text,
		Locations: []events.Location{{Name: text, ID: text}, {ID: text, Address: events.Address{Country: text, Street: text}}},
		Pay:       &events.Pay{Summary: text},
	}
	want := strings.Map(func(r rune) rune {
		switch {
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF, r == utf8.RuneError:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	// A reader takes every end of a line for a line feed.
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(want)
	var s source
	parse(t, write(t, feed.XML, j), &s)
	if len(s.Jobs) != 2 {
		t.Fatalf("%d jobs", len(s.Jobs))
	}
	for _, got := range []string{s.Jobs[0].Title, s.Jobs[0].Description, s.Jobs[0].City, s.Jobs[1].Country, s.Jobs[1].Company} {
		if got != lines {
			t.Errorf("XML says %q instead of %q", got, lines)
		}
	}
	var r rss
	parse(t, write(t, feed.RSS, j), &r)
	if len(r.Channel.Items) != 1 {
		t.Fatalf("%d items", len(r.Channel.Items))
	}
	if i := r.Channel.Items[0]; i.Title != want || i.Content != lines || i.Creator != want {
		t.Errorf("RSS says %q, %q, %q instead of %q", i.Title, i.Content, i.Creator, want)
	}
	if raw := write(t, feed.JSON, j); !json.Valid(raw) {
		t.Errorf("no JSON: %q", raw)
	}
}

func BenchmarkWrite(b *testing.B) {
	j := full()
	j.DescriptionHTML = strings.Repeat("<p>Build <strong>rockets</strong> &amp; more.</p>\n", 40)
	j.DescriptionText = strings.Repeat("Build rockets & more.\n", 40)
	j.Locations = j.Locations[:1]
	doc, err := json.Marshal(j)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []feed.Format{feed.JSON, feed.XML, feed.RSS} {
		b.Run(string(f), func(b *testing.B) {
			w, err := feed.NewWriter(io.Discard, f, channel())
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if err := w.Add(feed.Job{Doc: doc, Version: 1, ChangedAt: changed}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
