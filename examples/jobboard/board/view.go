package board

import (
	"encoding/json"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// newFor is how long a job that was published under our eyes is called new.
const newFor = 10 * time.Minute

// hues is how many colours the employers' marks have, in board.css.
const hues = 8

// layout is what every page has.
type layout struct {
	Name, Title, Description string
	// Canonical is the page's one address, empty where it has none.
	Canonical string
	// Position is up to where the page knows the changes; Key is the job that it shows.
	Position, Key string
	// Version is that of the job which it shows.
	Version int64
	// IsHidden keeps search engines away.
	IsHidden bool
}

func (b *Board) layout(r *http.Request, position string) layout {
	l := layout{Name: b.o.Name, Title: b.o.Name, Position: position}
	base := b.o.PublicURL
	if base == "" {
		base = "http://" + r.Host
	}
	l.Canonical = base + r.URL.EscapedPath()
	return l
}

// card is a job in the list.
type card struct {
	Key, Path, Title, Employer, Places string
	// Pay is the range, PayMore what comes on top of it: bonus, equity.
	Pay, PayMore string
	Version      int64
	Mark         mark
	Tags         []string
	Posted       date
	IsNew        bool
}

// mark stands for an employer where there is no logo: initials on a colour.
type mark struct {
	Letters string
	Hue     int
}

// date is a day for people and for machines.
type date struct{ Text, ISO string }

func (b *Board) card(j Job) card {
	c := card{
		Key: j.Key(), Path: jobPath(j), Title: j.Title, Version: j.Version, Employer: j.EmployerName,
		Places: strings.Join(locationNames(j), " · "), Mark: markOf(j.EmployerName), Tags: tags(j),
		Posted: b.posted(j), IsNew: b.now().Sub(j.PostedAt) < newFor,
	}
	if j.Pay != nil {
		c.Pay, c.PayMore, _ = strings.Cut(j.Pay.Summary, " • ")
	}
	return c
}

func jobPath(j Job) string {
	return "/jobs/" + url.PathEscape(j.Connection) + "/" + url.PathEscape(j.ID)
}

// tags are a job's short facts.
func tags(j Job) []string {
	var tags []string
	for _, t := range []string{workplaceLabel(j.WorkplaceType), employmentLabel(j.EmploymentType), j.Department} {
		if t != "" {
			tags = append(tags, t)
		}
	}
	return tags
}

// posted is the day on which the job was published, as the employer's system tells it; else when we saw it.
func (b *Board) posted(j Job) date {
	day := j.PostedAt
	if j.PublishedOn != nil {
		if on, err := time.Parse(time.DateOnly, *j.PublishedOn); err == nil {
			day = on
		}
	}
	return dateOf(day, b.now())
}

func dateOf(day, now time.Time) date {
	day = day.UTC().Truncate(24 * time.Hour)
	d := date{ISO: day.Format(time.DateOnly), Text: day.Format("2 Jan 2006")}
	switch days := int(now.UTC().Truncate(24*time.Hour).Sub(day).Hours() / 24); {
	case days == 0:
		d.Text = "Today"
	case days == 1:
		d.Text = "Yesterday"
	case days > 1 && days < 7:
		d.Text = day.Format("Monday")
	}
	return d
}

func markOf(name string) mark {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	m := mark{Hue: int(h.Sum32() % hues)}
	for _, word := range strings.Fields(name) {
		r := []rune(word)
		if unicode.IsLetter(r[0]) || unicode.IsDigit(r[0]) {
			m.Letters += string(unicode.ToUpper(r[0]))
		}
		if len([]rune(m.Letters)) == 2 {
			break
		}
	}
	return m
}

// workplaceLabel says a workplace type in words; new ones are shown as they come.
func workplaceLabel(s string) string {
	if s == "OnSite" {
		return "On site"
	}
	return spaced(s)
}

// employmentLabel says an employment type in words; new ones are shown as they come.
func employmentLabel(s string) string {
	switch s {
	case "FullTime":
		return "Full time"
	case "PartTime":
		return "Part time"
	case "Intern":
		return "Internship"
	}
	return spaced(s)
}

// spaced parts words that were written together: "SomeNewType" is "Some new type".
func spaced(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// jobView is a job's own page.
type jobView struct {
	layout
	Card  card
	Facts []fact
	// HTML was sanitised by Ashbridge, which promises that it is safe inside a page.
	HTML template.HTML
	// JSONLD is written by the template as JSON, with what could end the script escaped.
	JSONLD   json.RawMessage
	ApplyURL string
	Tiers    []events.PayTier
	Employer choicePath
}

// fact is a line of a job's facts.
type fact struct{ Name, Text string }

// choicePath is a link to the list, narrowed to something.
type choicePath struct{ Label, Path string }

func (b *Board) jobView(l layout, j Job) jobView {
	l.Title = j.Title + " at " + j.EmployerName + " · " + b.o.Name
	l.Description = shorten(strings.Join(strings.Fields(j.DescriptionText), " "), 155)
	l.Key, l.Version = j.Key(), j.Version
	v := jobView{
		layout: l, Card: b.card(j), JSONLD: j.JSONLD, ApplyURL: j.ApplyURL,
		HTML:     template.HTML(j.DescriptionHTML), //nolint:gosec // sanitised by Ashbridge, and the page's policy runs no script but ours
		Employer: employerPath(j),
	}
	if v.ApplyURL == "" {
		v.ApplyURL = j.JobURL
	}
	team := j.Department
	if len(j.DepartmentPath) > 0 {
		team = strings.Join(j.DepartmentPath, " › ")
	}
	for _, f := range []fact{
		{"Employer", j.EmployerName},
		{"Team", team},
		{"Location", v.Card.Places},
		{"Workplace", workplaceLabel(j.WorkplaceType)},
		{"Employment", employmentLabel(j.EmploymentType)},
		{"Pay", pay(j)},
		{"Apply by", deadline(j)},
	} {
		if f.Text != "" {
			v.Facts = append(v.Facts, f)
		}
	}
	if j.Pay != nil && (len(j.Pay.Tiers) > 1 || len(j.Pay.Tiers) == 1 && len(j.Pay.Tiers[0].Components) > 1) {
		v.Tiers = j.Pay.Tiers // a single range is said by the summary
	}
	return v
}

// pay is the whole summary; its parts are put apart by lines.
func pay(j Job) string {
	if j.Pay == nil {
		return ""
	}
	return strings.ReplaceAll(j.Pay.Summary, " • ", "\n")
}

func employerPath(j Job) choicePath {
	return choicePath{Label: j.EmployerName, Path: Query{Employer: j.EmployerRef}.path()}
}

func deadline(j Job) string {
	if j.ApplicationDeadline == nil {
		return ""
	}
	return j.ApplicationDeadline.UTC().Format("2 January 2006, 15:04 UTC")
}

func shorten(s string, length int) string {
	r := []rune(s)
	if len(r) <= length {
		return s
	}
	return strings.TrimSpace(string(r[:length-1])) + "…"
}

// messageView is a page that says something.
type messageView struct {
	layout
	Heading, Text string
	// Links lead on.
	Links []choicePath
}

func (b *Board) closedView(l layout, j Job) messageView {
	l.Title = "Closed: " + j.Title + " · " + b.o.Name
	l.Key, l.Version, l.IsHidden = j.Key(), j.Version, true
	v := messageView{
		layout: l, Heading: "This job is closed",
		Text: "“" + j.Title + "” at " + j.EmployerName + " no longer takes applications.",
	}
	more := employerPath(j)
	more.Label = "Other jobs at " + j.EmployerName
	v.Links = append(v.Links, more)
	if j.Department != "" {
		v.Links = append(v.Links, choicePath{Label: "Other jobs in " + j.Department, Path: Query{Department: j.Department}.path()})
	}
	return v
}
