package gateway

import (
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
	StatusCode   string        `json:"status_code"`
	StatusReason string        `json:"status_reason"`
	StatusSince  time.Time     `json:"status_since"`
	// Action says what the employer should do; empty where nothing is to be done.
	Action       string            `json:"action"`
	Modules      []string          `json:"modules"`
	ModuleStates []moduleStateJSON `json:"module_states"`
	PollInterval string            `json:"poll_interval"`
	KeyLast4     string            `json:"key_last4"`
	Report       mirror.Report     `json:"report"`
	CreatedAt    time.Time         `json:"created_at"`
	Sync         syncJSON          `json:"sync"`
	Counts       countsJSON        `json:"counts"`
	// Quarantined counts Ashby's rows that cannot be read.
	Quarantined int `json:"quarantined"`
	// WebhookSetup is nil once the connection is removed.
	WebhookSetup *webhookSetupJSON `json:"webhook_setup"`
}

// moduleStateJSON is how one of the connection's modules stands.
type moduleStateJSON struct {
	Module string    `json:"module"`
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// CompleteAt is nil until everything of the module had been read for the first time.
	CompleteAt *time.Time `json:"complete_at"`
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

// show returns the view's wire shape; secret is empty but in the answer to the request that made it.
func (g *Gateway) show(v mirror.View, secret ashby.Secret) connectionJSON {
	out := connectionJSON{
		ID: v.ID, EmployerRef: v.EmployerRef, EmployerName: v.EmployerName, Status: v.Status,
		StatusCode: v.StatusCode, StatusReason: v.StatusReason, StatusSince: v.StatusSince.UTC(), Action: actionOf(v),
		Modules: v.Modules, ModuleStates: make([]moduleStateJSON, 0, len(v.ModuleStates)), Quarantined: v.Quarantined,
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
	for _, m := range v.ModuleStates {
		out.ModuleStates = append(out.ModuleStates, moduleStateJSON{m.Module, m.State, m.Reason, m.Since.UTC(), utc(m.CompleteAt)})
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
