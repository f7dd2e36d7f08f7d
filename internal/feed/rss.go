package feed

import (
	"encoding/xml"
	"io"
	"time"
)

// rfc822 is the form of dates in RSS and in the boards' XML: RFC 822 with a year of four digits, always in GMT.
const rfc822 = "Mon, 02 Jan 2006 15:04:05 GMT"

// excerptLength is how much of a job's text an item's description shows; content:encoded has all of it.
const excerptLength = 300

// rssDocument writes RSS 2.0: https://www.rssboard.org/rss-specification. An item stays the same item, by its guid, for
// as long as the job is there.
type rssDocument struct {
	w   io.Writer
	enc *xml.Encoder
}

func newRSSDocument(w io.Writer) *rssDocument { return &rssDocument{w: w, enc: xml.NewEncoder(w)} }

// rssItem names its prefixed elements as they are written: encoding/xml would declare their namespaces in each item again.
type rssItem struct {
	XMLName     xml.Name `xml:"item"`
	Title       string   `xml:"title"`
	Link        string   `xml:"link,omitempty"`
	GUID        rssGUID  `xml:"guid"`
	PubDate     string   `xml:"pubDate,omitempty"`
	Creator     string   `xml:"dc:creator,omitempty"`
	Categories  []string `xml:"category"`
	Description string   `xml:"description"`
	Content     *cdata   `xml:"content:encoded"`
}

type rssGUID struct {
	IsPermaLink bool   `xml:"isPermaLink,attr"`
	Text        string `xml:",chardata"`
}

type atomLink struct {
	XMLName xml.Name `xml:"atom:link"`
	Href    string   `xml:"href,attr"`
	Rel     string   `xml:"rel,attr"`
	Type    string   `xml:"type,attr"`
}

func (d *rssDocument) begin(c Channel) error {
	const open = xml.Header + `<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"` +
		` xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>`
	if _, err := io.WriteString(d.w, open); err != nil {
		return err
	}
	for _, e := range []struct{ name, text string }{
		{"title", c.Name},
		{"link", c.Link},
		{"description", "Open jobs: " + c.Name},
		{"lastBuildDate", c.Changed.UTC().Format(rfc822)},
	} {
		if err := d.enc.EncodeElement(clean(e.text), element(e.name)); err != nil {
			return err
		}
	}
	if err := d.enc.Encode(atomLink{Href: clean(c.Self), Rel: "self", Type: "application/rss+xml"}); err != nil {
		return err
	}
	return d.line()
}

func (d *rssDocument) line() error {
	if err := d.enc.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(d.w, "\n")
	return err
}

func (d *rssDocument) job(j Job) error {
	in, err := read(j)
	if err != nil {
		return err
	}
	out := rssItem{
		Title: clean(in.Title), Link: clean(in.JobURL), GUID: rssGUID{Text: clean(in.Connection + "/" + in.ID)},
		Creator: clean(in.EmployerName), Description: excerpt(clean(in.DescriptionText), excerptLength),
		Content: verbatim(in.DescriptionHTML),
	}
	// A date that is none is left out, as a reader could not tell what it means.
	if day, err := time.Parse(time.DateOnly, in.published(j.ChangedAt)); err == nil {
		out.PubDate = day.Format(rfc822)
	}
	for _, d := range in.DepartmentPath {
		out.Categories = append(out.Categories, clean(d))
	}
	if err := d.enc.Encode(out); err != nil {
		return err
	}
	return d.line()
}

func (d *rssDocument) end() error {
	_, err := io.WriteString(d.w, "</channel></rss>\n")
	return err
}
