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
	JSONLD          jsonLD     `json:"json_ld"`
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
}

// jsonLD is what is read of a job's schema.org JobPosting.
type jsonLD struct {
	BaseSalary *struct {
		Currency string `json:"currency"`
		Value    struct {
			Value *json.Number `json:"value"`
			Min   *json.Number `json:"minValue"`
			Max   *json.Number `json:"maxValue"`
			Unit  string       `json:"unitText"`
		} `json:"value"`
	} `json:"baseSalary"`
}

// salary is "EUR 151000 - 231000 per year" where the job's JSON-LD has an amount, so that both say the same, else the
// employer's own words, which boards understand less often.
func (j job) salary() string {
	if s := j.JSONLD.salary(); s != "" || j.Pay == nil {
		return s
	}
	return j.Pay.Summary
}

func (d jsonLD) salary() string {
	s := d.BaseSalary
	if s == nil || s.Currency == "" || s.Value.Unit == "" {
		return ""
	}
	var amounts []string
	for _, n := range []*json.Number{s.Value.Value, s.Value.Min, s.Value.Max} {
		if n != nil {
			amounts = append(amounts, n.String())
		}
	}
	if len(amounts) == 0 {
		return ""
	}
	return s.Currency + " " + strings.Join(amounts, " - ") + " per " + strings.ToLower(s.Value.Unit)
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
