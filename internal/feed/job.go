package feed

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// job is what XML and RSS show of a public job. It leaves out what they do not, which takes half of the reading.
type job struct {
	ID              string     `json:"id"`
	JobID           string     `json:"job_id"`
	Connection      string     `json:"connection"`
	EmployerName    string     `json:"employer_name"`
	Title           string     `json:"title"`
	DescriptionHTML string     `json:"description_html"`
	DescriptionText string     `json:"description_text"`
	DepartmentPath  []string   `json:"department_path"`
	Locations       []location `json:"locations"`
	WorkplaceType   string     `json:"workplace_type"`
	EmploymentType  string     `json:"employment_type"`
	Pay             *pay       `json:"pay"`
	JobURL          string     `json:"job_url"`
	PublishedOn     *string    `json:"published_on"`
	UpdatedAt       *time.Time `json:"updated_at"`
	Deadline        *time.Time `json:"application_deadline"`
}

type location struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Address struct {
		Street      string `json:"street"`
		Locality    string `json:"locality"`
		Region      string `json:"region"`
		PostalCode  string `json:"postal_code"`
		Country     string `json:"country"`
		CountryCode string `json:"country_code"`
	} `json:"address"`
	Remote bool `json:"remote"`
}

// city is the place's name where its address has none: employers often name a location after its city and leave the
// address empty. A remote location is no city.
func (l location) city() string {
	if l.Address.Locality != "" || l.Remote {
		return l.Address.Locality
	}
	return l.Name
}

func (l location) country() string {
	if l.Address.CountryCode != "" {
		return l.Address.CountryCode
	}
	return l.Address.Country
}

type pay struct {
	Summary string `json:"summary"`
	Tiers   []struct {
		Components []component `json:"components"`
	} `json:"tiers"`
}

type component struct {
	Type     string       `json:"type"`
	Interval string       `json:"interval"`
	Currency string       `json:"currency"`
	Min      *json.Number `json:"min"`
	Max      *json.Number `json:"max"`
}

// intervals are the spans of pay that boards understand, as Ashby names them.
var intervals = map[string]string{
	"1 HOUR": "hour", "1 DAY": "day", "1 WEEK": "week", "1 MONTH": "month", "1 YEAR": "year",
}

// salary is "EUR 151000 - 231000 per year" of the first salary that can be said so, else the employer's own words, which
// boards understand less often.
func (p *pay) salary() string {
	if p == nil {
		return ""
	}
	for _, t := range p.Tiers {
		for _, c := range t.Components {
			if s := c.salary(); s != "" {
				return s
			}
		}
	}
	return p.Summary
}

func (c component) salary() string {
	per := intervals[c.Interval]
	if c.Type != "Salary" || per == "" || c.Currency == "" {
		return ""
	}
	var amount string
	switch {
	case c.Min != nil && c.Max != nil && *c.Min != *c.Max:
		amount = c.Min.String() + " - " + c.Max.String()
	case c.Min != nil:
		amount = c.Min.String()
	case c.Max != nil:
		amount = c.Max.String()
	default:
		return ""
	}
	return c.Currency + " " + amount + " per " + per
}

func read(j Job) (job, error) {
	var out job
	err := json.Unmarshal(j.Doc, &out)
	return out, err
}

// published is the calendar date on which the job was published, else that of its last change.
func (j job) published(changed time.Time) string {
	if j.PublishedOn != nil {
		return *j.PublishedOn
	}
	return changed.UTC().Format(time.DateOnly)
}

// clean leaves out what XML 1.0 cannot carry, not even escaped.
// https://www.w3.org/TR/xml/#charsets
func clean(s string) string {
	if !strings.ContainsFunc(s, forbidden) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if forbidden(r) {
			return -1
		}
		return r
	}, s)
}

// forbidden takes the replacement character for what it mostly stands for: bytes that are no UTF-8. Both would be
// written as it.
func forbidden(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < 0x20, r == 0xFFFE, r == 0xFFFF, r == utf8.RuneError:
		return true
	}
	return !utf8.ValidRune(r)
}

// excerpt is the beginning of a text, at most n characters, cut between words.
func excerpt(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	cut := string([]rune(s)[:n])
	if at := strings.LastIndexByte(cut, ' '); at > 0 {
		cut = cut[:at]
	}
	return cut + "…"
}
