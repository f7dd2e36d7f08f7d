package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bebitcoiner/ashbridge/internal/guard"
)

// What can go wrong with an attempt, as a word each. The words are part of the API.
const (
	ErrorTimeout    = "timeout"
	ErrorName       = "dns"
	ErrorPrivate    = "private_address"
	ErrorConnect    = "connect"
	ErrorTLS        = "tls"
	ErrorConnection = "connection" // it broke
	ErrorRedirect   = "redirect"
	ErrorThrottled  = "throttled" // 429, 502, 503, 504: less is to be sent
	ErrorGone       = "gone"      // 410
	ErrorRefused    = "refused"   // another 4xx
	ErrorServer     = "server"    // another 5xx, or a status that there is not
	ErrorAddress    = "address"   // the address or the secret cannot be used
)

// Errors are all words for what can go wrong.
func Errors() []string {
	return []string{
		ErrorTimeout, ErrorName, ErrorPrivate, ErrorConnect, ErrorTLS, ErrorConnection, ErrorRedirect, ErrorThrottled,
		ErrorGone, ErrorRefused, ErrorServer, ErrorAddress,
	}
}

const (
	// readMost is how much of an answer is read, so that its connection can be used again; readFor bounds the time.
	readMost = 16 << 10
	readFor  = time.Second
	// shown is how many characters of a refusal are kept.
	shown = 200
)

// beginning reads the beginning of an answer. cancel ends an answer that comes slowly.
func beginning(body io.Reader, cancel func()) []byte {
	late := time.AfterFunc(readFor, cancel)
	defer late.Stop()
	start, _ := io.ReadAll(io.LimitReader(body, readMost)) // what came until it broke is all that is wanted
	return start
}

// excerpt is what is kept of an answer: legible, on one line.
func excerpt(raw []byte) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(string(raw[:min(len(raw), 4*shown)]), "\uFFFD"))
	runes := []rune(strings.TrimSpace(text))
	return string(runes[:min(len(runes), shown)])
}

// retryAfter reads seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func errorOfStatus(status int) (word, detail string) {
	switch {
	case status >= 200 && status < 300:
		return "", ""
	case status >= 300 && status < 400:
		return ErrorRedirect, "The endpoint redirects, which is not followed: set its address to where it leads."
	case status == http.StatusGone:
		return ErrorGone, "The endpoint says that it is gone."
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusGatewayTimeout,
		status == http.StatusServiceUnavailable:
		return ErrorThrottled, fmt.Sprintf("The endpoint answered %d: less is sent to it for a while.", status)
	case status >= 400 && status < 500:
		return ErrorRefused, fmt.Sprintf("The endpoint answered %d.", status)
	}
	return ErrorServer, fmt.Sprintf("The endpoint answered %d.", status)
}

// errorOf tells errors of a request apart. An address, which may hold a token, is never a part of the detail.
func errorOf(err error) (word, detail string) {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	timeout, isNet := errors.AsType[net.Error](err)
	name, isName := errors.AsType[*net.DNSError](err)
	dial, isOp := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, guard.ErrPrivate):
		return ErrorPrivate, "The endpoint's name leads to an address that is not public."
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout() && !isName:
		return ErrorTimeout, "The endpoint did not answer in time."
	case isName:
		if name.IsNotFound {
			return ErrorName, "The endpoint's name does not exist."
		}
		return ErrorName, "The endpoint's name could not be looked up."
	case isTLS(err):
		return ErrorTLS, "No trusted connection: " + excerpt([]byte(err.Error()))
	case isOp && dial.Op == "dial":
		return ErrorConnect, "The endpoint takes no connection."
	}
	return ErrorConnection, "The connection broke before an answer came."
}

func isTLS(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	return certificate || alert || record || name || authority
}
