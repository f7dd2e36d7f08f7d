package mirror

import (
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
)

func TestOrganizationSlug(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ external, apply, want string }{
		{"https://jobs.ashbyhq.com/acme/posting-1", "", "acme"},
		{"https://jobs.ashbyhq.com/Acme%20GmbH/posting-1/application?x=1", "", "Acme GmbH"},
		{" HTTPS://Jobs.AshbyHQ.com:443/acme", "", "acme"},
		{"https://careers.acme.example/?ashby_jid=1", "https://jobs.ashbyhq.com/acme/1/application", "acme"},
		{"https://jobs.ashbyhq.com/first/1", "https://jobs.ashbyhq.com/second/1", "first"},
		{"https://careers.acme.example/acme/1", "https://careers.acme.example/acme/1", ""},
		{"https://app.ashbyhq.com/internal-jobs/acme/1", "", ""},
		{"https://jobs.ashbyhq.com.evil.example/acme/1", "", ""},
		{"https://evil.example/jobs.ashbyhq.com/acme", "", ""},
		{"javascript://jobs.ashbyhq.com/acme", "", ""},
		{"https://jobs.ashbyhq.com/", "", ""},
		{"https://jobs.ashbyhq.com", "", ""},
		{"https://jobs.ashbyhq.com/a%2Fb/1", "", ""},
		{"https://jobs.ashbyhq.com/%zz/1", "", ""},
		{"://", "", ""},
	} {
		if got := organizationSlug(ashby.Posting{ExternalLink: tt.external, ApplyLink: tt.apply}); got != tt.want {
			t.Errorf("%q, %q: %q, want %q", tt.external, tt.apply, got, tt.want)
		}
	}
}
