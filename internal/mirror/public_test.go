package mirror_test

import (
	"errors"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	type posting = ashby.Posting
	yes, no := true, false
	tests := []struct {
		name        string
		spoil       func(p *posting, j *ashby.Job)
		withoutJob  bool
		reason      events.Reason
		implausible bool
	}{
		{name: "published, listed, external, open job", spoil: func(*posting, *ashby.Job) {}},
		{name: "status absent, as before July 2026", spoil: func(p *posting, _ *ashby.Job) { p.Status = "" }},
		{name: "job closed at Ashby but still published", spoil: func(_ *posting, j *ashby.Job) { j.Status = "Closed" }},
		{name: "job of a status yet unknown", spoil: func(_ *posting, j *ashby.Job) { j.Status = "OnHold" }},
		{name: "draft posting", spoil: func(p *posting, _ *ashby.Job) { p.Status = "Draft" }, reason: events.ReasonUnpublished},
		{
			name: "draft posting that says no more", spoil: func(p *posting, _ *ashby.Job) { *p = posting{ID: "p", Status: "Draft"} },
			withoutJob: true, reason: events.ReasonUnpublished,
		},
		{name: "unlisted", spoil: func(p *posting, _ *ashby.Job) { p.IsListed = &no }, reason: events.ReasonUnlisted},
		{name: "internal board", spoil: func(p *posting, _ *ashby.Job) { p.ExternalLink = "" }, reason: events.ReasonInternal},
		{name: "confidential job", spoil: func(_ *posting, j *ashby.Job) { j.Confidential = true }, reason: events.ReasonConfidential},
		{name: "draft job", spoil: func(_ *posting, j *ashby.Job) { j.Status = "Draft" }, reason: events.ReasonDraft},
		{name: "unknown status", spoil: func(p *posting, _ *ashby.Job) { p.Status = "Scheduled" }, implausible: true},
		{name: "isListed missing", spoil: func(p *posting, _ *ashby.Job) { p.IsListed = nil }, implausible: true},
		{name: "externalLink missing", spoil: func(p *posting, _ *ashby.Job) { p.ExternalLink, p.HasExternalLink = "", false }, implausible: true},
		{name: "job unknown", spoil: func(*posting, *ashby.Job) {}, withoutJob: true, implausible: true},
		{name: "another posting's job", spoil: func(_ *posting, j *ashby.Job) { j.ID = "other" }, implausible: true},
		{name: "job without a status", spoil: func(_ *posting, j *ashby.Job) { j.Status = "" }, implausible: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := posting{ID: "p", JobID: "j", Status: "Published", IsListed: &yes, ExternalLink: "https://a.example", HasExternalLink: true}
			j := &ashby.Job{ID: "j", Status: "Open"}
			tt.spoil(&p, j)
			if tt.withoutJob {
				j = nil
			}
			public, reason, err := mirror.Public(p, j)
			if errors.Is(err, mirror.ErrImplausible) != tt.implausible {
				t.Errorf("err = %v, want implausible %v", err, tt.implausible)
			}
			if want := tt.reason == "" && !tt.implausible; public != want || reason != tt.reason {
				t.Errorf("public = %v, reason %q; want %v, %q", public, reason, want, tt.reason)
			}
		})
	}
}
