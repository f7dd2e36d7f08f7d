package ashbytest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NamedFault is a fault with a stable name, by which commands and the control path switch it on.
type NamedFault struct {
	Name        string
	Description string
	// Fault is what the name stands for, to be limited further.
	Fault Fault
}

// Faults gives all named faults. Names never change what they stand for.
func Faults() []NamedFault {
	out := slices.Concat(transportFaults(), refusals(), bentAnswers(), restarts())
	for i := range out {
		out[i].Fault.Name = out[i].Name
	}
	return out
}

func transportFaults() []NamedFault {
	return []NamedFault{
		{"timeout", "never answers", Fault{Kind: FaultTimeout}},
		{"slow-body", "begins an answer that trickles without end", Fault{Kind: FaultSlowBody}},
		{"connection-reset", "resets the connection before a byte was sent", Fault{Kind: FaultReset}},
		{"truncated", "cuts the connection in the middle of a good answer", Fault{Kind: FaultTruncated}},
		{"oversized", "200 with an empty list in 40 MiB of blanks", Fault{Kind: FaultOversized}},
		{"gzip-bomb", "200 with an empty list that inflates to 40 MiB from a small body", Fault{Kind: FaultGzipBomb}},
		{"html", "200 with a page of HTML", Fault{Kind: FaultHTML}},
		{"wrong-content-type", "the right answer as text/plain", Fault{Kind: FaultWrongContentType}},
		{"no-envelope", "200 with JSON that has no member success", Fault{Kind: FaultNoSuccessField}},
		{"server-error", "500 in plain text", Fault{Kind: FaultStatus}},
		{"bad-gateway", "502 in plain text", Fault{Kind: FaultStatus, Status: http.StatusBadGateway}},
		{"unavailable", "503 in plain text", Fault{Kind: FaultStatus, Status: http.StatusServiceUnavailable}},
		{
			"unavailable-retry-after", "503 with Retry-After: 1",
			Fault{Kind: FaultStatus, Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
		},
	}
}

func refusals() []NamedFault {
	return []NamedFault{
		{"rate-limit", "429 without Retry-After", Fault{Kind: Fault429}},
		{"rate-limit-retry-after", "429 with Retry-After: 1", Fault{Kind: Fault429, RetryAfter: time.Second}},
		{"rate-limit-partner", "429 of an integration partner's limit, shared by all its customers", Fault{Kind: Fault429, RetryAfter: time.Second, Partner: true}},
		{"unauthorized-plain", "401 in plain text", Fault{Kind: FaultUnauthorizedPlain}},
		{"unauthorized-once", "401 in plain text for one request, then all is well", Fault{Kind: FaultUnauthorizedPlain, Count: 1}},
		{"forbidden-plain", "403 in plain text, as a revoked key gets", Fault{Kind: FaultForbiddenPlain}},
		{"missing-permission", "403 missing_endpoint_permission with errorInfo", Fault{Kind: FaultMissingPermission}},
		{"missing-permission-b", "403 missing_endpoint_permission as a message, without errorInfo", Fault{Kind: FaultMissingPermission, Form: FormB}},
		{"soft-error", "200 with success false and errorInfo", Fault{Kind: FaultErrorEnvelopeA}},
		{"soft-error-b", "200 with success false and errors as objects", Fault{Kind: FaultErrorEnvelopeB}},
		{"soft-error-null", "200 with success false, errors null and errorInfo null", Fault{Kind: FaultErrorEnvelopeC}},
	}
}

func bentAnswers() []NamedFault {
	return []NamedFault{
		{"empty-list", "a list without rows", Fault{Kind: FaultEmptyList}},
		{"shrunk-list", "a list with half of its rows", Fault{Kind: FaultShrunkList, Keep: 0.5}},
		{"cut-listing", "a listing that ends too early and says that it is complete", Fault{Kind: FaultCutListing}},
		{"duplicate-rows", "each row twice", Fault{Kind: FaultDuplicateRows}},
		{"repeated-row", "the last row of a page again on the next", Fault{Kind: FaultRepeatedRow}},
		{"moved-row", "a row that no page shows, as it moved while they were read", Fault{Kind: FaultMovedRow}},
		{"cursor-loop", "each later page names its own cursor as the next", Fault{Kind: FaultCursorLoop}},
		{"bad-row", "the last row has members of the wrong type", Fault{Kind: FaultBadRow}},
		{"row-without-id", "the last row has no id", Fault{Kind: FaultRowWithoutID}},
		{"unknown-fields", "members that nobody knows", Fault{Kind: FaultUnknownFields}},
		{"unknown-enum", "values that no enumeration has", Fault{Kind: FaultUnknownEnum}},
		{"null-fields", "null where there never was", Fault{Kind: FaultNullFields}},
		{"fresh-token", "another sync token each time, though nothing changed", Fault{Kind: FaultFreshToken}},
		{"no-token", "a pass that ends without a sync token", Fault{Kind: FaultNoToken}},
	}
}

// restarts are the codes after which a reader must begin anew.
func restarts() []NamedFault {
	var out []NamedFault
	for _, code := range []string{
		"sync_token_expired", "sync_token_invalid", "incremental_sync_too_large", "next_cursor_expired", "cursor_invalid", "invalid_next_cursor",
	} {
		out = append(out, NamedFault{
			strings.ReplaceAll(code, "_", "-"), "refuses a cursor or sync token with " + code, Fault{Kind: FaultRestartCode, Code: code},
		})
	}
	return out
}

// FaultNamed gives what a name stands for, and false when no fault has it.
func FaultNamed(name string) (Fault, bool) {
	for _, f := range Faults() {
		if f.Name == name {
			return f.Fault, true
		}
	}
	return Fault{}, false
}

// ParseFault reads a fault written as name[:method][:count], with @page behind the name for the n-th page alone:
// "soft-error@2:job.list:3".
func ParseFault(text string) (Fault, error) {
	name, rest, _ := strings.Cut(text, ":")
	name, page, paged := strings.Cut(name, "@")
	f, known := FaultNamed(name)
	if !known {
		return Fault{}, fmt.Errorf("there is no fault %q", name)
	}
	var err error
	if paged {
		if f.Page, err = strconv.Atoi(page); err != nil || f.Page < 1 {
			return Fault{}, fmt.Errorf("fault %q: the page is not a number from 1", text)
		}
	}
	for part := range strings.SplitSeq(rest, ":") {
		n, err := strconv.Atoi(part)
		switch {
		case part == "":
		case err != nil:
			f.Method = part
		case n < 1:
			return Fault{}, fmt.Errorf("fault %q: the count is not a number from 1", text)
		default:
			f.Count = n
		}
	}
	return f, nil
}
