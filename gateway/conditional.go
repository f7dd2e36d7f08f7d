package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// edition names a version of what an address shows, for conditional requests: RFC 9110, sections 8.8 and 13.
type edition struct {
	// tag is the opaque part of a weak entity tag.
	tag string
	// changed is when what is shown last changed, rounded up to the second.
	changed time.Time
	// since is from when on a copy is sure to be this version: changed, or later where what is shown may be written in
	// another way than before.
	since time.Time
	// modified is what is told as Last-Modified: since, or earlier where a change may still come that is as old. Zero for
	// nothing.
	modified time.Time
}

// tell sets the headers that name the version.
func (v edition) tell(c *fiber.Ctx) {
	c.Set(fiber.HeaderETag, `W/"`+v.tag+`"`)
	if !v.modified.IsZero() {
		c.Set(fiber.HeaderLastModified, v.modified.UTC().Format(http.TimeFormat))
	}
}

// known says whether the client has this version already. With If-None-Match, If-Modified-Since counts for nothing.
func (v edition) known(c *fiber.Ctx) bool {
	if fields := c.Request().Header.PeekAll(fiber.HeaderIfNoneMatch); len(fields) > 0 {
		for _, field := range fields {
			if namesTag(string(field), v.tag) {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(c.Get(fiber.HeaderIfModifiedSince))
	return err == nil && !v.since.After(since)
}

// namesTag says whether a list of entity tags has one that is weakly the same. What follows a fault in it counts for
// nothing.
func namesTag(field, tag string) bool {
	if strings.Trim(field, " \t") == "*" {
		return true
	}
	for {
		field = strings.TrimLeft(field, " \t,")
		rest, ok := strings.CutPrefix(strings.TrimPrefix(field, "W/"), `"`)
		if !ok {
			return false
		}
		opaque, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return false
		}
		if opaque == tag {
			return true
		}
		field = rest
	}
}

// acceptsGzip reads an Accept-Encoding: RFC 9110, section 12.5.3.
func acceptsGzip(field string) bool {
	rest := false
	for part := range strings.SplitSeq(field, ",") {
		name, params, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			return weighs(params)
		case "*":
			rest = weighs(params)
		}
	}
	return rest
}

// weighs says whether the parameters of a choice leave it a weight above zero; a weight that cannot be read is none.
func weighs(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err == nil && q > 0
		}
	}
	return true
}
