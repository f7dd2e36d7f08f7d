package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	problemMedia  = "application/problem+json"
	problemPrefix = "urn:ashbridge:problem:"
	// retryAfter is what a 503 asks for, in seconds; Ashby's own first retry comes after ten.
	retryAfter = 10
)

// problem is an error as the API tells it, by RFC 9457. Its texts are written here: nothing of an error that came from
// elsewhere reaches a reply; that is kept as the cause, for the log.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says in a sentence what to do.
	Detail    string `json:"detail"`
	RequestID string `json:"request_id,omitempty"`
	// Errors names the faulty fields of a request.
	Errors []fieldFault `json:"errors,omitempty"`
	// Report is what the probe of a key found.
	Report *mirror.Report `json:"report,omitempty"`
	// Connections are those that the problem is about.
	Connections []string `json:"connections,omitempty"`
	// Kinds are those that there are.
	Kinds []string `json:"kinds,omitempty"`
	// Versions are those of a job that the stream keeps.
	Versions *versionsJSON `json:"versions,omitempty"`
	// Steps guide a person through Ashby's pages.
	Steps []string `json:"steps,omitempty"`

	// Roles are those of which a token must have one.
	Roles []mirror.Role `json:"roles,omitempty"`

	retry bool
	// after is what Retry-After says, in seconds; 0 for retryAfter where retry is set, else for nothing.
	after int
	cause error
}

// fieldFault says what is wrong with one field or query parameter.
type fieldFault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Title }
func (p *problem) Unwrap() error { return p.cause }

// because returns the problem with its cause, for the log.
func (p *problem) because(err error) *problem {
	q := *p
	q.cause = err
	return &q
}

func newProblem(status int, name, title, detail string) *problem {
	return &problem{
		Type: problemPrefix + name, Title: title, Status: status, Detail: detail,
		retry: status == http.StatusServiceUnavailable,
	}
}

// The problems that there are. Their types and statuses are part of the contract in schema/openapi.yaml.
var (
	errInternal = newProblem(http.StatusInternalServerError, "internal", "Internal error",
		"This is a fault of ours. Try again, and give the request_id to the operator if it stays.")
	errUnavailable = newProblem(http.StatusServiceUnavailable, "unavailable", "Temporarily unavailable",
		"Nothing is known to have been stored. Try again after the seconds in Retry-After.")
	errNoToken = newProblem(http.StatusUnauthorized, "unauthorized", "No valid token",
		"Send the header Authorization: Bearer with a token of this gateway's API.")
	errForbidden = newProblem(http.StatusForbidden, "forbidden", "The token's role does not suffice",
		"Use a token of one of the roles in roles.")
	errTooManyFailures = newProblem(http.StatusTooManyRequests, "too-many-failures", "Too many wrong tokens",
		"Twenty requests without a right token came from this address within a minute. Correct the token, and try "+
			"again after the seconds in Retry-After.")
	errTooManyRefusals = newProblem(http.StatusTooManyRequests, "too-many-failures", "Too many refused requests",
		"Twenty requests with this token were refused for its role within a minute. What it may do, it still may. Try "+
			"again after the seconds in Retry-After.")
	errDuplicateName = newProblem(http.StatusConflict, "duplicate-name", "Name already used",
		"A token that is in use has this name. Revoke it first, or choose another name.")
	errNotFound = newProblem(http.StatusNotFound, "not-found", "Not found",
		"There is nothing with this id. Check the id, or list what there is.")
	errNoRoute = newProblem(http.StatusNotFound, "no-such-path", "No such path",
		"See /openapi.yaml for the paths that there are.")
	errMethod = newProblem(http.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed",
		"Use a method that the Allow header names.")
	errRemoved = newProblem(http.StatusGone, "removed", "Connection removed",
		"This connection was removed for good. Register the employer again to connect anew.")
	errBadRequest = newProblem(http.StatusBadRequest, "bad-request", "Malformed request",
		"Send a well-formed HTTP request.")
	errInvalid = newProblem(http.StatusBadRequest, "invalid-request", "Invalid request",
		"Correct the fields that errors names.")
	errTooLarge = newProblem(http.StatusRequestEntityTooLarge, "too-large", "Body too large",
		"Send at most 1 MiB.")
	errHeaderTooLarge = newProblem(http.StatusRequestHeaderFieldsTooLarge, "header-too-large", "Header too large",
		"Send at most 8 KiB of request line and headers.")
	errSlow = newProblem(http.StatusRequestTimeout, "request-timeout", "Request too slow",
		"Send the whole request within ten seconds.")
	errEncodedBody = newProblem(http.StatusUnsupportedMediaType, "encoded-body", "Encoded body",
		"Send the body as it is, without a Content-Encoding header.")
	errBadSignature = newProblem(http.StatusUnauthorized, "bad-signature", "Bad signature",
		"Set the webhook's secret token in Ashby to the secret that was shown at registration, or rotate it.")
	errDuplicateKey = newProblem(http.StatusConflict, "duplicate-key", "Key already connected",
		"This API key belongs to another connection. Change that connection, or make a new key in Ashby.")
	errDuplicateEmployer = newProblem(http.StatusConflict, "duplicate-employer", "Employer already connected",
		"Another connection has this employer_ref. Change that connection, or use another employer_ref.")
	errOtherOrganization = newProblem(http.StatusConflict, "other-organization", "Key of another organization",
		"The key shows none of the postings that this connection mirrors, so it belongs to another Ashby "+
			"organization. Register it as a connection of its own.")
	errPaused = newProblem(http.StatusConflict, "paused", "Connection paused",
		"Resume the connection first, by a PATCH with paused false.")
	errAmbiguous = newProblem(http.StatusConflict, "ambiguous", "Several jobs have this id",
		"Ask again with the query parameter connection set to one of those in connections.")
	errUnknownKind = newProblem(http.StatusNotFound, "unknown-kind", "No such kind",
		"Ask for one of the kinds that kinds lists.")
	errModuleOff = newProblem(http.StatusConflict, "module-off", "The connection does not have this kind",
		"Add the module to the connection first, by a PATCH of its modules.")
	errModules = newProblem(http.StatusUnprocessableEntity, "modules", "Modules that cannot be had",
		"Name modules that the operator allows, jobs always among them.")
	errHoldEnded = newProblem(http.StatusConflict, "hold-ended", "Hold ended",
		"Nothing is left to decide: see the hold's outcome.")
	errBusy = newProblem(http.StatusConflict, "busy", "Already under way",
		"Another request sets up this connection's webhooks. Try again when it is done.")
	errTestBusy = newProblem(http.StatusConflict, "busy", "Already under way",
		"Another test of this endpoint waits for its answer. Try again when it is done.")
	errNotActive = newProblem(http.StatusConflict, "endpoint-not-active", "Endpoint not active",
		"Nothing is sent to an endpoint that is paused or disabled. Resume it first.")
	errTooMany = newProblem(http.StatusUnprocessableEntity, "too-many", "Too many events at once",
		"More than 100,000 events were published since then. Name a later time, or ask for a snapshot.")
	errWebhooksForbidden = newProblem(http.StatusUnprocessableEntity, "webhooks-forbidden",
		"The key may not manage webhooks",
		"In Ashby, open Admin, Integrations, API Keys, choose the key, Configure API Key Permissions, and tick read "+
			"and write on API Keys. Or send a key that has it as api_key: it is used for this request and forgotten. Or make the "+
			"settings by hand, as steps says. What was made until here is kept.")
	errWrongKey = newProblem(http.StatusUnprocessableEntity, "wrong-key", "Ashby refuses the key",
		"The key is wrong or was disabled. Copy it again, or make a new one in Ashby under Admin, Integrations, "+
			"API Keys.")
	errMissingPermission = newProblem(http.StatusUnprocessableEntity, "missing-permission",
		"The key lacks a permission", "Grant what the report shows as missing and required, then try again.")
	errManyReaders = newProblem(http.StatusServiceUnavailable, "many-readers", "Too many readers",
		"As many documents are being sent as may be at the same time, in all or of this feed. Try again after the seconds "+
			"in Retry-After, and read a feed by one program at a time.")
	errNoIssuer = newProblem(http.StatusConflict, "no-issuer", "Job boards cannot log in at NATS",
		"Make a key with `ashbridge keys issuer FILE`, set ASHBRIDGE_NATS_ISSUER_FILE of every gateway to the file, and configure "+
			"NATS with the public key that the command prints.")
	errRevoked = newProblem(http.StatusGone, "revoked", "Subscriber revoked",
		"This subscriber was shut out for good. Make another one.")
	errUnknownEmployers = newProblem(http.StatusUnprocessableEntity, "unknown-employers", "Unknown employers",
		"There are no connections with the ids in connections. Leave them out, or set employers to null for all.")
	errNotSubscribed = newProblem(http.StatusUnprocessableEntity, "not-subscribed", "Employer not among the subscriber's",
		"Name a job of one of the connections in connections, which are those that this subscriber gets.")
	errNoVersion = newProblem(http.StatusUnprocessableEntity, "no-such-version", "Version is not in the stream",
		"Name a version between those in versions, ask for a time, or ask for a snapshot. Without versions, the stream has no "+
			"event of this job.")
	errAshbyUnavailable = newProblem(http.StatusBadGateway, "ashby-unavailable", "Ashby does not answer",
		"Nothing was stored. Ashby could not be reached or answered nonsense; try again in a minute.")
)

// problemOf turns any error into a problem: the one place where what happened becomes a status.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if unknown, ok := errors.AsType[mirror.UnknownConnections](err); ok {
		p := *errUnknownEmployers
		p.Connections = unknown
		return &p
	}
	if f, ok := errors.AsType[*fiber.Error](err); ok {
		return problemOfStatus(f.Code, err)
	}
	for _, m := range []struct {
		sentinel error
		problem  *problem
	}{
		{mirror.ErrNotFound, errNotFound},
		{mirror.ErrRemoved, errRemoved},
		{mirror.ErrEnded, errHoldEnded},
		{mirror.ErrRevoked, errRevoked},
		{mirror.ErrDuplicateKey, errDuplicateKey},
		{mirror.ErrDuplicateEmployer, errDuplicateEmployer},
		{mirror.ErrDuplicateName, errDuplicateName},
		{mirror.ErrNotActive, errNotActive},
		{mirror.ErrTooMany, errTooMany},
		{mirror.ErrUnavailable, errUnavailable},
		{errQueueFull, errUnavailable},
		{ashby.ErrUnauthorized, errWrongKey},
		{ashby.ErrMissingPermission, errMissingPermission},
		{ashby.ErrRateLimited, errAshbyUnavailable},
		{ashby.ErrUnavailable, errAshbyUnavailable},
		{ashby.ErrMalformed, errAshbyUnavailable},
		{ashby.ErrNotFound, errAshbyUnavailable},
		{ashby.ErrRestart, errAshbyUnavailable},
		{ashby.ErrRefused, errAshbyUnavailable},
		{context.DeadlineExceeded, errUnavailable},
		{context.Canceled, errUnavailable},
	} {
		if errors.Is(err, m.sentinel) {
			return m.problem.because(err)
		}
	}
	return errInternal.because(err)
}

// problemOfStatus answers what Fiber itself found wrong.
func problemOfStatus(status int, err error) *problem {
	for _, p := range []*problem{errNoRoute, errMethod, errTooLarge, errHeaderTooLarge, errSlow} {
		if p.Status == status {
			return p
		}
	}
	// Fiber says 502 when the client's connection breaks in the middle of a request.
	if status < http.StatusInternalServerError || status == http.StatusBadGateway {
		return errBadRequest.because(err)
	}
	return errInternal.because(err)
}

// writeProblem sends the answer to err and returns it.
func writeProblem(c *fiber.Ctx, err error) *problem {
	p := *problemOf(err)
	p.RequestID = exchangeOf(c).id
	if p.retry && p.after == 0 {
		p.after = retryAfter
	}
	if p.after > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(p.after))
	}
	if werr := writeJSON(c, p.Status, &p); werr != nil {
		c.Status(http.StatusInternalServerError)
	}
	c.Set(fiber.HeaderContentType, problemMedia)
	return &p
}

// answerError answers requests that were refused before any handler saw them: malformed, too large, too slow.
func (g *Gateway) answerError(c *fiber.Ctx, err error) error {
	x := g.begin(c)
	g.finish(c, x, writeProblem(c, err))
	return nil
}
