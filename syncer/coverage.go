package syncer

import (
	"context"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// expecting is the run, as one whose changes of a kind a webhook should have told. Other changes count for nothing: that
// a location was renamed or an unchanged posting was read again tells nothing about webhooks.
func (r *run) expecting(kind ashby.Kind) *run {
	expecting := *r
	expecting.expects = kind
	return &expecting
}

// foundPostings counts the events that a unit of work made by how the change was found.
func (r *run) foundPostings(ctx context.Context, made []mirror.Made) {
	if r.expects != ashby.KindPosting || r.origin == events.OriginSeed {
		return
	}
	for _, m := range made {
		if action := mirror.ExpectedAction(m.Type, m.Reason); action != "" {
			r.tally.found(action, r.hasCome(ctx, ashby.KindPosting, m.Posting))
		}
	}
}

// foundRecords does the same with jobs and openings. A kind that no webhook tells of is not counted.
func (r *run) foundRecords(
	ctx context.Context, kind ashby.Kind, changed []mirror.Record, known map[string]mirror.Head, c change,
) {
	if r.expects != kind || r.origin == events.OriginSeed {
		return
	}
	for _, rec := range changed {
		head, old := known[rec.ID]
		isNew := !old || head.Gone
		var action string
		switch {
		case kind == ashby.KindOpening && isNew:
			action = "openingCreate"
		case kind == ashby.KindJob && isNew:
			action = "jobCreate"
		case kind == ashby.KindJob && c.matters[rec.ID]:
			action = "jobUpdate"
		default:
			continue
		}
		r.tally.found(action, r.hasCome(ctx, kind, rec.ID))
	}
}

// hasCome says that a webhook told of the change: this run answers it, or it lies in the inbox and was overtaken.
func (r *run) hasCome(ctx context.Context, kind ashby.Kind, id string) bool {
	if r.origin == events.OriginWebhook {
		return true
	}
	open, err := r.d.s.opts.Store.OpenInbox(ctx, r.connection.ID, mirror.HintKind(kind), id)
	return err == nil && len(open[id]) > 0
}
