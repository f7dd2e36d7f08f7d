package ashby

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const requestIDHeader = "X-Ashby-Request-Id"

// answer is a successful answer, opened.
type answer struct {
	// results is an array or an object; the method knows which.
	results json.RawMessage
	// next is empty at the end of a listing.
	next, syncToken string
	requestID       string
	sentAt          time.Time
}

// understand opens an answer, or says what its failure means.
//
// https://developers.ashbyhq.com/reference/responses
func understand(method string, status int, header http.Header, body []byte) (answer, *APIError) {
	failure := &APIError{Method: method, Status: status, RequestID: header.Get(requestIDHeader)}
	if len(body) > maxAnswer {
		failure.Reason, failure.Message = ErrMalformed, "the answer is longer than 32 MiB"
		return answer{}, failure
	}
	envelope, parseErr := parseObject(body)
	codes := failure.read(envelope)
	foreign := whyForeign(header, body)
	switch {
	case foreign != "":
		failure.Message = foreign
	case parseErr != nil && status >= 400:
		failure.Message = string(body)
	}
	failure.Reason = reasonOfStatus(status, foreign != "", codes, body)
	if failure.Reason != nil {
		return answer{}, failure
	}
	if failure.Reason = reasonOfForm(status, header, body, parseErr); failure.Reason != nil {
		failure.Cause = parseErr
		return answer{}, failure
	}
	success, err := envelope.strictFlag("success")
	switch {
	case err != nil || success == nil:
		failure.Reason = ErrMalformed
		failure.Message = first(failure.Message, "the answer does not say whether it is a success")
		return answer{}, failure
	case !*success:
		failure.Reason = reasonOfCodes(codes)
		return answer{}, failure
	case status/100 != 2:
		failure.Reason, failure.Message = ErrMalformed, "a success with a status that denies it"
		return answer{}, failure
	}
	return open(envelope, failure)
}

// open takes the parts of a successful answer.
func open(envelope object, failure *APIError) (answer, *APIError) {
	a := answer{results: envelope["results"], syncToken: envelope.text("syncToken"), next: envelope.text("nextCursor")}
	more, err := envelope.strictFlag("moreDataAvailable")
	if err != nil || len(a.results) == 0 || isNull(a.results) {
		failure.Reason, failure.Message, failure.Cause = ErrMalformed, "a success without usable results", err
		return answer{}, failure
	}
	switch {
	case more != nil && !*more:
		a.next = ""
	case more != nil && a.next == "":
		failure.Reason, failure.Message = ErrMalformed, "more data is available, and no cursor leads to it"
		return answer{}, failure
	}
	return a, nil
}

// whyForeign says why a body cannot be one of Ashby's API, whatever the status; empty if it can. HTML comes from something
// on the way to it. Of encodings Go's transport asks for gzip alone, and undoes it.
func whyForeign(header http.Header, body []byte) string {
	encoding := header.Get("Content-Encoding")
	switch {
	case len(body) > 0 && encoding != "" && !strings.EqualFold(encoding, "identity"):
		return "the answer has an encoding that was not asked for"
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return "the answer is html"
	}
	return ""
}

// reasonOfStatus judges by the HTTP status where that is enough; nil means that the body decides. The 401 or 403 of a
// foreign body says nothing about the key.
func reasonOfStatus(status int, isForeign bool, codes []string, body []byte) error {
	switch {
	case status == http.StatusTooManyRequests:
		return ErrRateLimited
	case status >= 500 || status == http.StatusRequestTimeout:
		return ErrUnavailable
	case isForeign:
		return ErrMalformed
	case status == http.StatusUnauthorized:
		return ErrUnauthorized
	case status == http.StatusForbidden:
		// The body need not be JSON, and the code may be anywhere in it.
		if contains(codes, isMissingPermission) || bytes.Contains(body, []byte(missingPermission)) {
			return ErrMissingPermission
		}
		return ErrUnauthorized
	}
	return nil
}

// reasonOfForm judges what is no JSON object of Ashby's; nil means that it is one.
func reasonOfForm(status int, header http.Header, body []byte, parseErr error) error {
	if kind := header.Get("Content-Type"); kind != "" {
		media, _, err := mime.ParseMediaType(kind)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return ErrMalformed
		}
	}
	if parseErr == nil {
		return nil
	}
	if status/100 != 2 {
		return ErrMalformed
	}
	// A success that ends too early was cut off on its way.
	var whole json.RawMessage
	err := json.NewDecoder(bytes.NewReader(body)).Decode(&whole)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrUnavailable
	}
	return ErrMalformed
}

// read takes code, message and request id out of an error in any of its forms, and returns every word in it that may
// be a code. The forms: errorInfo with code and message; errors as strings; errors as objects with a message; each of
// them null, absent or beside another.
func (e *APIError) read(envelope object) []string {
	info := envelope.object("errorInfo")
	e.Code, e.Message = info.text("code"), info.text("message")
	e.RequestID = first(info.text("requestId"), e.RequestID)
	said := []string{info.text("code"), info.text("message")}
	said = append(said, envelope.texts("errors")...)
	for _, o := range envelope.objects("errors") {
		said = append(said, o.text("code"), o.text("message"))
	}
	for _, s := range said[2:] {
		switch {
		case isCode(s) && e.Code == "":
			e.Code = s
		case s != "" && !isCode(s) && e.Message == "":
			e.Message = s
		}
	}
	return said
}

const missingPermission = "missing_endpoint_permission"

// restartCodes say that a token or cursor is of no use any more.
var restartCodes = map[string]bool{
	"sync_token_expired": true, "sync_token_invalid": true, "incremental_sync_too_large": true,
	"next_cursor_expired": true, "cursor_invalid": true, "invalid_next_cursor": true,
}

// reasonOfCodes judges a success:false by all that was said in it.
func reasonOfCodes(said []string) error {
	switch {
	case contains(said, isMissingPermission):
		return ErrMissingPermission
	case contains(said, func(w string) bool { return restartCodes[w] }):
		return ErrRestart
	case slices.ContainsFunc(said, duplicateText.MatchString):
		return ErrDuplicate
	case contains(said, func(w string) bool { return w == "rate_limit_exceeded" || w == "concurrent_limit_exceeded" }):
		return ErrRateLimited
	case contains(said, func(w string) bool { return w == "generic_internal_error" || w == "internal_server_error" }):
		return ErrUnavailable
	}
	for _, s := range said {
		if saysNotFound(s) {
			return ErrNotFound
		}
	}
	return ErrRefused
}

var (
	// The code of a duplicate is not documented, and the message was seen by others alone.
	duplicateText = regexp.MustCompile(`(?i)duplicate[ _]webhook|webhook\b.{0,80}\balready exists|webhook_already_exists`)
	notFoundText  = regexp.MustCompile(`(?i)(^|_|\b)(not[ _](be )?found|does not exist)\b`)
	// notTheObject are things whose absence says nothing about the object asked for; no job may close on them.
	notTheObject = regexp.MustCompile(`(?i)(endpoint|route|path|method|version|organi[sz]ation|api.?key|token|user|board)` +
		`[\s_:'"]*([^\sa-z]\S*\s+)?((was|is|could|does)\s+)?not[ _]`)
)

// saysNotFound recognises codes such as job_posting_not_found, and messages such as "Job not found".
func saysNotFound(s string) bool { return notFoundText.MatchString(s) && !notTheObject.MatchString(s) }

func isMissingPermission(word string) bool { return word == missingPermission }

// isCode says whether a text is for machines.
func isCode(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// contains says whether a word of what was said is a code of the kind.
func contains(said []string, is func(string) bool) bool {
	for _, s := range said {
		for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !isCode(string(r)) }) {
			if is(word) {
				return true
			}
		}
	}
	return false
}

// excerpt makes a stranger's text fit for an error: one line of at most 300 printable characters.
func excerpt(s string) string {
	const most = 300
	s = strings.ToValidUTF8(s[:min(len(s), 16*most)], "\uFFFD")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}
