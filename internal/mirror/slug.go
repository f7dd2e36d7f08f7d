package mirror

import (
	"net/url"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// hostedBoards is where Ashby shows employers' job boards: https://developers.ashbyhq.com/docs/public-job-posting-api
const hostedBoards = "jobs.ashbyhq.com"

// organizationSlug is the employer's job-board name at Ashby, as the posting's page or form tells it. Employers who show
// their jobs on pages of their own often link to Ashby's form all the same.
//
// The brands' slugs are not asked: which brand a posting belongs to only its job says, and the links need no second record
// that could be missing or late. The same posting always has the same slug.
func organizationSlug(p ashby.Posting) string {
	return first(slugOf(p.ExternalLink), slugOf(p.ApplyLink))
}

// slugOf is the first part of the path of a page of Ashby's, decoded; empty for any other address.
func slugOf(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !strings.EqualFold(u.Hostname(), hostedBoards) {
		return ""
	}
	part, _, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	slug, err := url.PathUnescape(part)
	if err != nil || strings.Contains(slug, "/") { // no name of one part
		return ""
	}
	return tidy(slug)
}
