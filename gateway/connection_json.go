package gateway

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// connectionJSON is a connection as the API shows it.
type connectionJSON struct {
	ID           string        `json:"id"`
	EmployerRef  string        `json:"employer_ref"`
	EmployerName string        `json:"employer_name"`
	Status       mirror.Status `json:"status"`
	StatusReason string        `json:"status_reason"`
	StatusSince  time.Time     `json:"status_since"`
	Modules      []string      `json:"modules"`
	PollInterval string        `json:"poll_interval"`
	KeyLast4     string        `json:"key_last4"`
	Report       mirror.Report `json:"report"`
	CreatedAt    time.Time     `json:"created_at"`
	Sync         syncJSON      `json:"sync"`
	Counts       countsJSON    `json:"counts"`
	// WebhookSetup is nil once the connection is removed.
	WebhookSetup *webhookSetupJSON `json:"webhook_setup"`
}

type syncJSON struct {
	NextPollAt     *time.Time `json:"next_poll_at"`
	PollStartedAt  *time.Time `json:"poll_started_at"`
	PollFinishedAt *time.Time `json:"poll_finished_at"`
	FirstSyncedAt  *time.Time `json:"first_synced_at"`
	LastVerifiedAt *time.Time `json:"last_verified_at"`
	Done           int        `json:"done"`
	Total          int        `json:"total"`
	// Estimate is when the running pass should be done; nil while none runs or nothing can be told.
	Estimate  *time.Time `json:"estimate"`
	LastError string     `json:"last_error"`
}

type countsJSON struct {
	AtAshby  int `json:"at_ashby"`
	Mirrored int `json:"mirrored"`
	Public   int `json:"public"`
	Held     int `json:"held"`
}

// webhookSetupJSON is what the employer enters in Ashby, and how far that is done.
type webhookSetupJSON struct {
	// Secret is shown once, in the answer to the request that made it.
	Secret string `json:"secret,omitempty"`
	// EventTypes are the types to create in Ashby, each with its URL in URLs.
	EventTypes []string          `json:"event_types"`
	URLs       map[string]string `json:"urls"`
	Seen       []webhookSeenJSON `json:"seen"`
	Steps      []string          `json:"steps"`
}

type webhookSeenJSON struct {
	EventType  string     `json:"event_type"`
	PingedAt   *time.Time `json:"pinged_at"`
	LastSeenAt *time.Time `json:"last_seen_at"`
}

// show returns the view's wire shape; secret is empty but in the answer to the request that made it.
func (g *Gateway) show(v mirror.View, secret ashby.Secret) connectionJSON {
	out := connectionJSON{
		ID: v.ID, EmployerRef: v.EmployerRef, EmployerName: v.EmployerName, Status: v.Status,
		StatusReason: v.StatusReason, StatusSince: v.StatusSince.UTC(), Modules: v.Modules,
		PollInterval: formatInterval(v.PollInterval), KeyLast4: v.KeyLast4, Report: showReport(v.Report),
		CreatedAt: v.CreatedAt.UTC(),
		Sync: syncJSON{
			NextPollAt: utc(&v.Sync.NextPollAt), PollStartedAt: utc(v.Sync.PollStartedAt),
			PollFinishedAt: utc(v.Sync.PollFinishedAt), FirstSyncedAt: utc(v.Sync.FirstSyncedAt),
			LastVerifiedAt: utc(v.Sync.LastVerifiedAt), Done: v.Sync.Done, Total: v.Sync.Total,
			Estimate: estimate(v, g.opts.Now()), LastError: v.Sync.LastError,
		},
		Counts: countsJSON(v.Counts),
	}
	if out.Modules == nil {
		out.Modules = []string{}
	}
	if v.Status != mirror.StatusRemoved {
		out.WebhookSetup = g.webhookSetup(v, secret)
	}
	return out
}

// estimate is when the running pass will be done if it goes on as fast as it went until now.
func estimate(v mirror.View, now time.Time) *time.Time {
	s := v.Sync
	isHalted := v.Status == mirror.StatusPaused || v.Status == mirror.StatusRemoved
	if isHalted || s.PollStartedAt == nil || s.PollFinishedAt != nil && !s.PollFinishedAt.Before(*s.PollStartedAt) {
		return nil
	}
	elapsed := now.Sub(*s.PollStartedAt)
	if s.Done <= 0 || s.Total <= 0 || elapsed < 0 {
		return nil
	}
	share := float64(max(s.Total-s.Done, 0)) / float64(s.Done)
	at := now.Add(time.Duration(float64(elapsed) * share)).UTC().Round(time.Second)
	return &at
}

func (g *Gateway) webhookSetup(v mirror.View, secret ashby.Secret) *webhookSetupJSON {
	types := ashby.WebhookActions()
	base := g.opts.PublicURL + "/hooks/ashby/" + v.WebhookToken + "/"
	setup := &webhookSetupJSON{
		Secret: secret.Reveal(), EventTypes: types, URLs: make(map[string]string, len(types)),
		Seen: make([]webhookSeenJSON, 0, len(types)),
	}
	seen := make(map[string]mirror.WebhookSeen, len(v.Webhooks))
	for _, s := range v.Webhooks {
		seen[s.Action] = s
	}
	for _, t := range types {
		setup.URLs[t] = base + t
		setup.Seen = append(setup.Seen, webhookSeenJSON{t, utc(seen[t].PingedAt), utc(seen[t].LastSeenAt)})
	}
	for _, s := range v.Webhooks {
		if !slices.Contains(types, s.Action) {
			setup.Seen = append(setup.Seen, webhookSeenJSON{s.Action, utc(s.PingedAt), utc(s.LastSeenAt)})
		}
	}
	setup.Steps = []string{
		"In Ashby, open Admin, Integrations, Webhooks and choose New.",
		"Choose a type that event_types lists, and enter its address from urls as the request URL.",
		"Enter secret as the secret token. It is shown once; a PATCH with rotate_webhook_secret makes a new one.",
		"Save. Ashby sends a ping, and the type's pinged_at under seen shows that it arrived.",
		"Repeat this for each type in event_types. Until then, changes are found by the poll.",
	}
	return setup
}

// showReport makes the report's lists lists, also where they are empty.
func showReport(r mirror.Report) mirror.Report {
	if r.Permissions == nil {
		r.Permissions = []mirror.Permission{}
	}
	if r.Advice == nil {
		r.Advice = []string{}
	}
	return r
}

func utc(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// formatInterval writes 1h, 30m or 1h30m where time.Duration would write 1h0m0s.
func formatInterval(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.of; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + unit.name)
			d -= n * unit.of
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
