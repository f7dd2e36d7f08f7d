package mirror

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// translation counts the changes of what Translate makes of the same input, the cleaning of descriptions included. A
// new number makes every public job be translated anew; a golden file in the tests shows when one is due.
const translation = 2

// maxDescription bounds the encoded description, HTML and text together. A job stands in one NATS message, of at most
// 1 MiB with the HTML once more in its JSON-LD, and a message that is too large would hold up those behind it.
const maxDescription = 300_000

// Refs are the objects that a posting refers to, as far as they are mirrored.
type Refs struct {
	// Job is the posting's Ashby job, nil where unknown.
	Job *ashby.Job
	// Locations are by id; unknown ones are missing.
	Locations map[string]ashby.Location
}

// Cleaner makes descriptions fit to show. The same input must always give the same output.
type Cleaner interface {
	// HTML returns what of an HTML fragment is safe to place inside a page.
	HTML(string) string
	// Text renders what HTML returned as plain text.
	Text(html string) string
}

// TranslatorKey names the translation of a connection's postings. It differs when the translation itself has changed or
// what it takes from the connection; the same posting then has to be translated anew, though Ashby changed nothing.
func TranslatorKey(c Connection) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", c.ID, c.EmployerRef, c.EmployerName))
	return fmt.Sprintf("%d-%x", translation, sum[:8])
}

// Translate makes the public job of a posting. The same input always gives the same job: nothing in it depends on the
// time or on the order of a map. Whether the job may be shown is for Public to say.
func Translate(c Connection, p ashby.Posting, r Refs, clean Cleaner) events.Job {
	j := events.Job{
		ID: p.ID, JobID: p.JobID, OrganizationSlug: organizationSlug(p), Connection: c.ID, EmployerRef: c.EmployerRef, EmployerName: c.EmployerName,
		Title: tidy(p.Title), WorkplaceType: tidy(p.WorkplaceType), EmploymentType: tidy(p.EmploymentType),
		Locations: locations(p, r.Locations), Pay: pay(p),
		JobURL: link(p.ExternalLink), ApplyURL: link(p.ApplyLink),
		PublishedOn: date(p.PublishedDate), UpdatedAt: instant(p.UpdatedAt), ApplicationDeadline: instant(p.ApplicationDeadline),
	}
	if r.Job != nil && j.JobID == "" {
		j.JobID = r.Job.ID
	}
	if r.Job != nil && j.EmploymentType == "" {
		j.EmploymentType = tidy(r.Job.EmploymentType)
	}
	if j.ApplyURL == "" {
		j.ApplyURL = j.JobURL
	}
	j.Department, j.Team, j.DepartmentPath = department(p)
	j.DescriptionHTML, j.DescriptionText = description(p, clean)
	j.JSONLD = jsonLD(j, p)
	return j
}

// department returns Ashby's names. A posting that belongs to a department itself has that as its team, too.
func department(p ashby.Posting) (name, team string, path []string) {
	name, team = tidy(p.DepartmentName), tidy(p.TeamName)
	path = []string{}
	for _, step := range p.TeamNameHierarchy {
		path = append(path, tidy(step))
	}
	if name == "" && len(path) > 0 {
		name = path[0]
	}
	if team == name {
		team = ""
	}
	if len(path) == 0 && name != "" {
		path = append(path, name)
	}
	if len(p.TeamNameHierarchy) == 0 && team != "" {
		path = append(path, team)
	}
	return name, team, path
}

// description returns the cleaned description and its text. One beyond any real ad's size is cut, with its markup gone.
func description(p ashby.Posting, clean Cleaner) (markup, text string) {
	source := p.DescriptionHTML
	if strings.TrimSpace(source) == "" {
		source = paragraphs(p.DescriptionPlain)
	}
	markup = clean.HTML(source)
	text = clean.Text(markup)
	for size := maxDescription / 2; encodedSize(markup)+encodedSize(text) > maxDescription; size /= 2 {
		markup = clean.HTML(paragraphs(cut(text, size)))
		text = clean.Text(markup)
	}
	return markup, text
}

// encodedSize is the length in JSON, where one byte of HTML can take six.
func encodedSize(s string) int {
	raw, err := json.Marshal(s)
	if err != nil {
		return 6 * len(s)
	}
	return len(raw)
}

// cut shortens a text to at most size bytes and the sign that it was cut.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return strings.TrimSpace(text[:size]) + " …"
}

// paragraphs makes HTML of plain text.
func paragraphs(text string) string {
	var b strings.Builder
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		block = strings.TrimSpace(block)
		if block != "" {
			b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(block), "\n", "<br/>") + "</p>")
		}
	}
	return b.String()
}

// tidy takes away what no name contains: control characters, broken UTF-8, space around it.
func tidy(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}

// link lets addresses of the web through; anything else, such as a script, is no address to give a board.
func link(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.String()
}

func date(s string) *string {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return nil
	}
	return &s
}

// instant returns the time in UTC, nil where there is none or where JSON could not carry it.
func instant(t *time.Time) *time.Time {
	if t == nil || t.IsZero() || t.Year() < 1 || t.Year() > 9998 {
		return nil
	}
	u := utc(*t)
	return &u
}
