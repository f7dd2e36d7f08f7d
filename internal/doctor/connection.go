package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/gateway"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// lateAfter is how many poll intervals may pass before a connection counts as stale.
const lateAfter = 2

// connection looks at one employer's connection: its freshness, its key and its webhooks.
func (d *doctor) connection(ctx context.Context, db *postgres.DB, keys *seal.Keyset) []Finding {
	const check = "connection"
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	id, err := db.ConnectionNamed(ctx, d.Connection)
	if errors.Is(err, mirror.ErrNotFound) {
		return []Finding{failed(check, "there is none with the id or employer_ref "+d.Connection, "`ashbridge connections list` shows both")}
	}
	if err != nil {
		return []Finding{failed(check, sentence(err), "see to the database")}
	}
	v, err := db.Gateway().View(ctx, id)
	if err != nil {
		return []Finding{failed(check, sentence(err), "see to the database")}
	}
	all := []Finding{freshness(check, v)}
	if v.Status == mirror.StatusRemoved {
		return all
	}
	client, finding := d.client(ctx, db, keys, v)
	if client == nil {
		return append(all, finding)
	}
	return append(all, d.key(ctx, client, v), d.webhooks(ctx, client, v), coverage(v))
}

func freshness(check string, v mirror.View) Finding {
	name := v.EmployerName
	switch v.Status {
	case mirror.StatusRemoved:
		return skipped(check, name+" is disconnected")
	case mirror.StatusPaused:
		return warning(check, name+" is paused: nothing is read", "resume it when it is to be fresh again")
	case mirror.StatusUnauthorized:
		return failed(check, name+": "+v.StatusReason, "the employer makes a new key in Ashby; enter it with `ashbridge connections rotate-key "+v.ID+"`")
	case mirror.StatusDegraded:
		return warning(check, name+" is degraded: "+v.StatusReason, "`ashbridge connections show "+v.ID+"` says what to do")
	case mirror.StatusActive:
	}
	if v.Sync.LastVerifiedAt == nil {
		return warning(check, name+" was not read in full yet", "wait for the first synchronisation; `ashbridge connections show` shows how far it is")
	}
	age := time.Since(*v.Sync.LastVerifiedAt)
	if age > lateAfter*v.PollInterval+5*time.Minute {
		return failed(check, fmt.Sprintf("%s was last compared with Ashby %s ago, though it is to be every %s", name, age.Round(time.Minute), v.PollInterval),
			"see that a syncer runs, and the connection's runs")
	}
	return ok(check, "%s was compared with Ashby %s ago; %d public jobs", name, age.Round(time.Second), v.Counts.Public)
}

// client has the connection's key. It is nil where that does not open; the finding says why.
func (d *doctor) client(ctx context.Context, db *postgres.DB, keys *seal.Keyset, v mirror.View) (*ashby.Client, Finding) {
	const check = "connection: key"
	if keys == nil {
		return nil, skipped(check, "there is no keyset to open it with, or it could not be written down that it is opened")
	}
	sealed, err := db.Gateway().SealedKey(ctx, v.ID)
	if err != nil {
		return nil, failed(check, sentence(err), "see to the database")
	}
	key, err := keys.Open(sealed, v.ID, seal.KindAPIKey)
	if err != nil {
		return nil, failed(check, sentence(err), "name the keyset with which it was sealed, or enter the key again")
	}
	client, err := ashby.NewClient(ashby.Options{
		BaseURL: d.Config.AshbyURL, Key: key, HTTPClient: ashby.DefaultHTTPClient(d.Config.AllowPrivateAshby), MaxTries: 1,
		MaxElapsed: askTime, Pace: ashby.NewPace(d.Config.RequestsPerMinute),
	})
	if err != nil {
		return nil, failed(check, sentence(err), "see ASHBRIDGE_ASHBY_URL")
	}
	return client, Finding{}
}

// key asks Ashby what the key may do.
func (d *doctor) key(ctx context.Context, client *ashby.Client, v mirror.View) Finding {
	const check = "connection: key"
	prober := gateway.AshbyProber{NewClient: func(ashby.Secret) (*ashby.Client, error) { return client, nil }}
	report, postings, err := prober.Probe(ctx, "", v.Modules)
	switch {
	case errors.Is(err, ashby.ErrUnauthorized):
		return failed(check, "Ashby does not take the key that ends with "+v.KeyLast4, "the employer makes a new one in Ashby; enter it with `ashbridge connections rotate-key "+v.ID+"`")
	case err != nil:
		return warning(check, "Ashby gave no usable answer: "+sentence(err), "try again; see the check of Ashby itself")
	}
	var missing, fixes []string
	for _, p := range report.Permissions {
		if p.State == mirror.Missing {
			missing = append(missing, p.Scope)
			if p.Fix != "" && p.Required {
				fixes = append(fixes, p.Fix)
			}
		}
	}
	text := fmt.Sprintf("Ashby takes the key that ends with %s and lists %d postings", v.KeyLast4, len(postings))
	switch {
	case !report.OK:
		return failed(check, "the key that ends with "+v.KeyLast4+" may not read jobs", strings.Join(append(fixes, report.Advice...), " "))
	case len(fixes) > 0:
		return warning(check, text+", but it lacks "+strings.Join(missing, ", "), strings.Join(fixes, " "))
	case len(missing) > 0:
		return ok(check, "%s; it lacks %s, which would be of use", text, strings.Join(missing, ", "))
	}
	return ok(check, "%s", text)
}

// webhooks compares what is known of the settings with what there should be, and asks Ashby about those whose ids are known.
func (d *doctor) webhooks(ctx context.Context, client *ashby.Client, v mirror.View) Finding {
	const check = "connection: webhooks"
	repair := "`ashbridge webhooks setup " + v.ID + "` repairs them where the key may write API Keys; else open the types in Ashby under Admin, Integrations, " +
		"Webhooks and save them with the URLs that `ashbridge webhooks list " + v.ID + "` shows"
	seen := map[string]mirror.WebhookSeen{}
	for _, s := range v.Webhooks {
		seen[s.Action] = s
	}
	var never, off, elsewhere, unread []string
	types := ashby.WebhookActions(v.Modules...)
	for _, t := range types {
		s := seen[t]
		switch {
		case s.SettingID == "" && s.PingedAt == nil && s.LastSeenAt == nil:
			never = append(never, t)
		case s.SettingID != "":
			setting, err := client.Webhook(ctx, s.SettingID)
			switch {
			case errors.Is(err, ashby.ErrNotFound), err == nil && !setting.Enabled:
				off = append(off, t)
			case err != nil:
				unread = append(unread, t)
			case d.Config.PublicURL != "" && !strings.HasPrefix(setting.URL, d.Config.PublicURL+"/"):
				elsewhere = append(elsewhere, t)
			}
		}
	}
	switch {
	case len(off) > 0:
		return warning(check, "disabled or deleted at Ashby: "+strings.Join(off, ", "), repair)
	case len(elsewhere) > 0:
		return warning(check, "sent to another address than ASHBRIDGE_PUBLIC_URL: "+strings.Join(elsewhere, ", "), repair)
	case len(never) == len(types):
		return warning(check, "none ever came: changes are found by the poll alone", "have them made by `ashbridge webhooks setup "+v.ID+"`, or by the employer")
	case len(never) > 0:
		return warning(check, "never came: "+strings.Join(never, ", "), repair)
	case len(unread) > 0:
		return ok(check, "all %d types showed themselves; the key may not read its settings", len(types))
	}
	return ok(check, "all %d types are set up", len(types))
}

// coverage says how many changes the webhooks told.
func coverage(v mirror.View) Finding {
	const check = "connection: coverage"
	var sum mirror.Coverage
	var silent []string
	for _, c := range v.Coverage {
		sum.ByWebhook += c.ByWebhook
		sum.ByPoll += c.ByPoll
		if c.IsMissing() {
			silent = append(silent, c.Action)
		}
	}
	share, known := sum.Share()
	switch {
	case !known:
		return ok(check, "no change was found yet that a webhook should have told")
	case len(silent) > 0:
		return warning(check, fmt.Sprintf("webhooks told %d of %d changes; silent at their last one: %s", sum.ByWebhook, sum.ByWebhook+sum.ByPoll, strings.Join(silent, ", ")),
			"see that these types are enabled in Ashby under Admin, Integrations, Webhooks, with the URLs that `ashbridge webhooks list "+v.ID+"` shows")
	}
	return ok(check, "webhooks told %d of %d changes (%.0f %%)", sum.ByWebhook, sum.ByWebhook+sum.ByPoll, share*100)
}
