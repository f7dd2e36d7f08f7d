package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bebitcoiner/ashbridge/ashby"
)

const (
	// defaultModule is what a connection reads when it names nothing.
	defaultModule = "jobs"
	maxText       = 200
	maxNote       = 1000
	maxKey        = 512
	minInterval   = time.Minute
	maxInterval   = 24 * time.Hour
)

// idShape is what the ids of connections, postings, holds and records look like; a path with another one names nothing.
var idShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// form collects the faults of a request, so that all are reported together.
type form struct{ faults []fieldFault }

func (f *form) fault(field, detail string) { f.faults = append(f.faults, fieldFault{field, detail}) }

func (f *form) err() error { return invalidFields(f.faults) }

// text checks a required text for people or machines: 1 to 200 characters, none of them control characters.
func (f *form) text(field string, v *string) string {
	if v == nil {
		f.fault(field, "it is required")
		return ""
	}
	s := strings.TrimSpace(*v)
	n := utf8.RuneCountInString(s)
	if n < 1 || n > maxText || strings.ContainsFunc(s, unicode.IsControl) {
		f.fault(field, "it must have 1 to 200 characters and no control characters")
	}
	return s
}

// note checks what a person wrote to explain something: at most 1,000 characters, on several lines if need be.
func (f *form) note(field string, v *string) string {
	if v == nil {
		return ""
	}
	s := strings.TrimSpace(*v)
	odd := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
	if utf8.RuneCountInString(s) > maxNote || strings.ContainsFunc(s, odd) {
		f.fault(field, "it must have at most 1000 characters and no control characters")
	}
	return s
}

// key checks the field api_key. Spaces around it come with copying.
func (f *form) key(v *string) ashby.Secret {
	const field = "api_key"
	if v == nil {
		f.fault(field, "it is required")
		return ""
	}
	s := strings.TrimSpace(*v)
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	if s == "" || len(s) > maxKey || strings.ContainsFunc(s, odd) {
		f.fault(field, "it must be an Ashby API key as Ashby showed it")
	}
	return ashby.Secret(s)
}

// modules checks the modules asked for; none means the default, which is always among them.
func (f *form) modules(field string, v, allowed []string) []string {
	for _, m := range v {
		if !slices.Contains(allowed, m) {
			f.fault(field, "each must be one of: "+strings.Join(allowed, ", "))
			break
		}
	}
	return tidyModules(append([]string{defaultModule}, v...))
}

// tidyModules are the modules in order, each once.
func tidyModules(modules []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(modules)))
}

// interval checks a poll interval.
func (f *form) interval(field, v string) time.Duration {
	d, err := parseInterval(v)
	if err != nil || d < minInterval || d > maxInterval || d%time.Second != 0 {
		f.fault(field, `it must be a duration from 1m to 24h, such as "1h", "30m" or "PT1H30M"`)
	}
	return d
}

var isoInterval = regexp.MustCompile(`^PT(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?$`)

// parseInterval reads Go's durations and the hours, minutes and seconds of ISO 8601.
func parseInterval(s string) (time.Duration, error) {
	m := isoInterval.FindStringSubmatch(s)
	if m == nil {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("parsing duration: %w", err)
		}
		return d, nil
	}
	var d time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		if m[i+1] != "" {
			n, err := strconv.Atoi(m[i+1])
			if err != nil {
				return 0, fmt.Errorf("parsing duration: %w", err)
			}
			d += time.Duration(n) * unit
		}
	}
	return d, nil
}

// last4 is what may be shown of a key: nothing of one so short that four characters would tell much.
func last4(key ashby.Secret) string {
	s := key.Reveal()
	if len(s) < 16 {
		return ""
	}
	return s[len(s)-4:]
}
