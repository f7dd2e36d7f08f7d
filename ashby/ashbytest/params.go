package ashbytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// params is the decoded body of a request.
type params map[string]any

func (p params) text(name string) string {
	s, _ := p[name].(string)
	return s
}

func (p params) flag(name string) bool {
	b, _ := p[name].(bool)
	return b
}

func (p params) texts(name string) []string {
	list, _ := p[name].([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// number gives a whole number; zero where there is none.
func (p params) number(name string) int64 {
	n, _ := p[name].(json.Number)
	i, _ := n.Int64()
	return i
}

// anyOf says whether one of the names, between bars, is there; name is the first of them.
func (p params) anyOf(names string) (name string, has bool) {
	all := strings.Split(names, "|")
	return all[0], slices.ContainsFunc(all, func(name string) bool { return p[name] != nil })
}

// idParams are the parameters by which objects are asked for; those of parents, by which lists are, come last.
var idParams = []string{
	"jobPostingId", "id", "locationId", "departmentId", "openingId", "webhookId", "offerId", "projectId", "customFieldId",
	"feedbackFormDefinitionId", "surveyFormDefinitionId", "interviewerPoolId", "interviewStageId", "userId", "jobId",
	"interviewScheduleId", "interviewPlanId", "applicationId", "candidateId",
}

// objectID is the id that the request asks for, or that of the parent whose list it asks for, for the log.
func (p params) objectID() string {
	for _, name := range idParams {
		if id := p.text(name); id != "" {
			return id
		}
	}
	return ""
}

// read decodes the body. Ashby enforces the content type; an empty body counts as {}.
func (c *call) read() *failure {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return &failure{code: "invalid_input", message: "The Content-Type header must be application/json."}
	}
	if v := c.r.Header.Get("Ashby-Version"); v != "" && v != apiVersion {
		return &failure{code: "invalid_input", message: fmt.Sprintf("There is no API version %q.", v)}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, 1<<20))
	if err != nil {
		return &failure{code: "invalid_input", message: "The body could not be read."}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&c.params); err != nil || dec.More() {
		return &failure{code: "invalid_input", message: "The body is not a JSON object."}
	}
	return nil
}

// rule says what a parameter must be.
type rule func(value any) bool

func isFlag(v any) bool { _, ok := v.(bool); return ok }
func isText(v any) bool { _, ok := v.(string); return ok }

func isID(v any) bool {
	s, ok := v.(string)
	return ok && uuidPattern.MatchString(s)
}

func isURL(v any) bool {
	s, ok := v.(string)
	target, err := url.Parse(s)
	return ok && err == nil && target.Host != ""
}

// isMillis accepts a time in Unix milliseconds.
func isMillis(v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	_, err := n.Int64()
	return err == nil
}

func isLimit(v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	i, err := n.Int64()
	return err == nil && i >= 1 && i <= maxPage
}

// isWord accepts one of the given words.
func isWord(words ...string) rule {
	return func(v any) bool {
		s, ok := v.(string)
		return ok && slices.Contains(words, s)
	}
}

// isSubset accepts a list of the given words.
func isSubset(words ...string) rule {
	return func(v any) bool {
		list, ok := v.([]any)
		if !ok {
			return false
		}
		for _, item := range list {
			if s, ok := item.(string); !ok || !slices.Contains(words, s) {
				return false
			}
		}
		return true
	}
}

// check refuses unknown, missing and ill-typed parameters, as Ashby does since June 2026.
func (e endpoint) check(c *call) *failure {
	for name, value := range c.params {
		fits, known := e.params[name]
		switch {
		case !known:
			return &failure{code: "invalid_input", message: fmt.Sprintf("Unrecognized parameter %q.", name), parameter: name}
		case !fits(value):
			return &failure{code: "invalid_input", message: fmt.Sprintf("Invalid value for %q.", name), parameter: name}
		}
	}
	for _, names := range e.required {
		if name, has := c.params.anyOf(names); !has {
			return &failure{code: "invalid_input", message: fmt.Sprintf("Required parameter %q is missing.", name), parameter: name}
		}
	}
	return nil
}
