package feed

import (
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"
)

// xmlDocument writes the XML that job boards and aggregators have in common, which goes back to Indeed's:
// https://docs.indeed.com/indeed-apply/xml-feed
//
// A job with several locations is written once for each, with a referencenumber of its own, as that page asks for. The
// number of the first is the posting's id; the others add the location's id, so that a number stays what it is while
// other locations come and go.
type xmlDocument struct {
	w   io.Writer
	enc *xml.Encoder
}

func newXMLDocument(w io.Writer) *xmlDocument { return &xmlDocument{w: w, enc: xml.NewEncoder(w)} }

// cdata is text as it stands, which some readers want unescaped.
type cdata struct {
	Text string `xml:",cdata"`
}

// verbatim is nil where there is no text, so that the element is left out.
func verbatim(s string) *cdata {
	if s = clean(s); s == "" {
		return nil
	}
	return &cdata{s}
}

// xmlJob has its elements in the order of the page above.
type xmlJob struct {
	XMLName         xml.Name `xml:"job"`
	Title           *cdata   `xml:"title"`
	Date            *cdata   `xml:"date"`
	ReferenceNumber *cdata   `xml:"referencenumber"`
	RequisitionID   *cdata   `xml:"requisitionid"`
	URL             *cdata   `xml:"url"`
	Company         *cdata   `xml:"company"`
	City            *cdata   `xml:"city"`
	State           *cdata   `xml:"state"`
	Country         *cdata   `xml:"country"`
	PostalCode      *cdata   `xml:"postalcode"`
	StreetAddress   *cdata   `xml:"streetaddress"`
	Description     *cdata   `xml:"description"`
	Salary          *cdata   `xml:"salary"`
	JobType         *cdata   `xml:"jobtype"`
	Category        *cdata   `xml:"category"`
	ExpirationDate  *cdata   `xml:"expirationdate"`
	RemoteType      *cdata   `xml:"remotetype"`
	LastActivity    *cdata   `xml:"lastactivitydate"`
}

func (d *xmlDocument) begin(c Channel) error {
	if _, err := io.WriteString(d.w, xml.Header+"<source>"); err != nil {
		return err
	}
	for _, e := range []struct{ name, text string }{
		{"publisher", c.Name}, {"publisherurl", c.Link}, {"lastBuildDate", c.Changed.UTC().Format(rfc822)},
	} {
		if err := d.enc.EncodeElement(verbatim(e.text), element(e.name)); err != nil {
			return err
		}
	}
	return d.line()
}

func element(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }

func (d *xmlDocument) line() error {
	if err := d.enc.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(d.w, "\n")
	return err
}

func (d *xmlDocument) job(j Job) error {
	in, err := read(j)
	if err != nil {
		return err
	}
	changed := j.ChangedAt
	if in.UpdatedAt != nil {
		changed = *in.UpdatedAt
	}
	out := xmlJob{
		Title: verbatim(in.Title), Date: verbatim(in.published(j.ChangedAt)), RequisitionID: verbatim(in.JobID),
		URL: verbatim(in.JobURL), Company: verbatim(in.EmployerName), Description: verbatim(in.DescriptionHTML),
		Salary: verbatim(in.salary()), JobType: verbatim(jobType(in.EmploymentType)),
		Category: verbatim(strings.Join(in.DepartmentPath, " / ")), RemoteType: verbatim(remoteType(in.WorkplaceType)),
		LastActivity: verbatim(changed.UTC().Format(time.RFC3339)),
	}
	if in.Deadline != nil {
		out.ExpirationDate = verbatim(in.Deadline.UTC().Format(time.RFC3339))
	}
	return d.everywhere(in, out)
}

// everywhere writes the job once for each of its locations, and once where it has none.
func (d *xmlDocument) everywhere(in job, out xmlJob) error {
	places := in.Locations
	if len(places) == 0 {
		places = []location{{}}
	}
	seen := map[string]bool{}
	for i, place := range places {
		reference := in.ID
		if i > 0 {
			reference += "-" + placeID(place)
		}
		if seen[reference] {
			continue // the same place again
		}
		seen[reference] = true
		out.ReferenceNumber = verbatim(reference)
		out.City, out.State = verbatim(place.city()), verbatim(place.Address.Region)
		out.Country, out.PostalCode = verbatim(place.country()), verbatim(place.Address.PostalCode)
		out.StreetAddress = verbatim(place.Address.Street)
		if err := d.enc.Encode(out); err != nil {
			return err
		}
		if err := d.line(); err != nil {
			return err
		}
	}
	return nil
}

// placeID is the location's id, or what stands for one that has none.
func placeID(l location) string {
	if l.ID != "" {
		return l.ID
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%q %q", l.Name, l.Address) // never fails, says hash.Hash
	return fmt.Sprintf("%016x", h.Sum64())
}

func (d *xmlDocument) end() error {
	_, err := io.WriteString(d.w, "</source>\n")
	return err
}

// jobType is the boards' word for Ashby's; an unknown one stays as it is.
func jobType(ashby string) string {
	switch ashby {
	case "FullTime", "PartTime", "Contract", "Temporary":
		return strings.ToLower(ashby)
	case "Intern":
		return "internship"
	}
	return ashby
}

// remoteType says nothing of a job on site: the boards have no word for it.
func remoteType(ashby string) string {
	switch ashby {
	case "Remote":
		return "Fully remote"
	case "Hybrid":
		return "Hybrid remote"
	}
	return ""
}
