package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// keepTime and keepTries bound how hard the id of a new setting is tried to be stored.
	keepTime  = 3 * time.Second
	keepTries = 4
)

// The sentences that employers read of settings that do not work.
const (
	settingByHand = "A setting of this type with this address is there already, made by hand or by a request whose answer " +
		"was lost. Ashby does not tell its id, so it cannot be checked from here: look in Ashby under Admin, Integrations, " +
		"Webhooks that it is enabled, or delete it there and repeat this request."
	settingUnreached = "Ashby disabled the setting because it did not reach its address. See that the address can be " +
		"reached from the internet, then repeat this request."
	settingRefused = "Ashby did not take the setting. Create or change it by hand in Ashby under Admin, Integrations, Webhooks."
	settingNotKept = "The setting could not be stored here, and a new one was taken back. Repeat this request in a minute."
	settingUntried = "Ashby gave no usable answer. Repeat this request in a minute."
)

// settler brings the webhook settings of one connection to what they should be. Ashby lists no settings, so the id of
// each is stored before anything else happens: one whose id is lost can be neither checked nor repaired.
//
// https://developers.ashbyhq.com/docs/setting-up-webhooks
type settler struct {
	admin           WebhookAdmin
	settings        Settings
	connection      string
	secret          ashby.Secret
	secretChangedAt time.Time
	stored          []mirror.WebhookSeen
	now             func() time.Time
	log             *slog.Logger
	// token is the connection's webhook address, a part of what url returns.
	token string
	url   func(eventType string) string
}

// settleAll settles each event type. The error is one of the key, or says why nothing at all was got done; what else goes
// wrong stands with its type.
func (s *settler) settleAll(ctx context.Context, types []string) ([]settledJSON, error) {
	settled := make([]settledJSON, 0, len(types))
	var halt error // what the types after it would meet too
	isDone := false
	for _, t := range types {
		old := settingOf(s.stored, t)
		if halt != nil {
			settled = append(settled, failed(old, reasonOf(halt)))
			continue
		}
		one, err := s.settle(ctx, old)
		if err != nil {
			err = fmt.Errorf("setting up the webhook of %s: %w", t, s.discreet(err))
			if errors.Is(err, ashby.ErrMissingPermission) || errors.Is(err, ashby.ErrUnauthorized) {
				return nil, err
			}
			s.log.WarnContext(ctx, "webhook setting failed", "connection", s.connection, "event_type", t, "error", err)
			if one = failed(old, reasonOf(err)); !isOfOneSetting(err) {
				halt = err
			}
		}
		isDone = isDone || halt == nil
		settled = append(settled, one)
	}
	if !isDone {
		return nil, halt
	}
	return settled, nil
}

// discreet takes out of an error's text what Ashby may repeat of a request: the secret and the connection's address.
func (s *settler) discreet(err error) error {
	text := strings.NewReplacer(s.secret.Reveal(), "[redacted]", s.token, "[redacted]").Replace(err.Error())
	return discreetError{err, text}
}

// discreetError is an error with another text.
type discreetError struct {
	error
	text string
}

func (e discreetError) Error() string { return e.text }
func (e discreetError) Unwrap() error { return e.error }

// reasonOf says in a sentence what an error means for a setting.
func reasonOf(err error) string {
	if errors.Is(err, ashby.ErrRefused) {
		return settingRefused
	}
	for _, e := range []error{
		ashby.ErrUnavailable, ashby.ErrRateLimited, ashby.ErrMalformed, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, e) {
			return settingUntried
		}
	}
	return settingNotKept
}

func failed(old mirror.WebhookSeen, problem string) settledJSON {
	return settledJSON{
		EventType: old.Action, Action: settledFailed, Enabled: old.Enabled, SettingID: old.SettingID, Problem: problem,
	}
}

// settle settles the event type of a stored setting, of which there may be no more than the type.
func (s *settler) settle(ctx context.Context, old mirror.WebhookSeen) (settledJSON, error) {
	if old.SettingID == "" {
		return s.create(ctx, old)
	}
	found, err := s.admin.Webhook(ctx, old.SettingID)
	if errors.Is(err, ashby.ErrNotFound) {
		return s.create(ctx, old)
	}
	if err != nil {
		return settledJSON{}, err
	}
	url := s.url(old.Action)
	var change struct {
		enabled *bool
		url     *string
		secret  *ashby.Secret
	}
	if !found.Enabled {
		yes := true
		change.enabled = &yes
	}
	if found.URL != url {
		change.url = &url
	}
	// Ashby shows no secret: one that was changed here since is sent once more.
	if old.CheckedAt == nil || s.secretChangedAt.After(*old.CheckedAt) {
		change.secret = &s.secret
	}
	action := settledChecked
	if change.enabled != nil || change.url != nil || change.secret != nil {
		action = settledRepaired
		found, err = s.admin.UpdateWebhook(ctx, old.SettingID, change.enabled, change.url, change.secret)
		if errors.Is(err, ashby.ErrNotFound) { // deleted in Ashby this very moment
			return s.create(ctx, old)
		}
		if err != nil {
			return settledJSON{}, err
		}
	}
	return s.keep(ctx, old.Action, old.SettingID, found.Enabled, action)
}

// create makes a setting and stores its id. One whose id cannot be stored is taken back. One that Ashby disabled at once
// is enabled once more: its ping may have been on the way still.
func (s *settler) create(ctx context.Context, old mirror.WebhookSeen) (settledJSON, error) {
	made, err := s.admin.CreateWebhook(ctx, old.Action, s.url(old.Action), s.secret)
	if errors.Is(err, ashby.ErrDuplicate) {
		return s.exists(ctx, old)
	}
	if err != nil {
		return settledJSON{}, err
	}
	settled, err := s.keep(ctx, old.Action, made.ID, made.Enabled, settledCreated)
	if err == nil && !made.Enabled {
		yes := true
		if enabled, err := s.admin.UpdateWebhook(ctx, made.ID, &yes, nil, nil); err == nil && enabled.Enabled {
			return s.keep(ctx, old.Action, made.ID, true, settledCreated)
		}
	}
	if err == nil {
		return settled, nil
	}
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
	defer cancel()
	if undoErr := s.admin.DeleteWebhook(undo, made.ID); undoErr != nil {
		s.log.ErrorContext(ctx, "a webhook setting without an id here stays at Ashby", "connection", s.connection,
			"event_type", old.Action, "setting", made.ID, "error", s.discreet(undoErr))
	}
	return settledJSON{}, err
}

// exists answers for a setting that Ashby has and whose id is not known, unless another gateway has just made it.
func (s *settler) exists(ctx context.Context, old mirror.WebhookSeen) (settledJSON, error) {
	present, err := s.settings.SettingsOf(ctx, s.connection)
	if err != nil {
		return settledJSON{}, fmt.Errorf("reading webhook settings: %w", err)
	}
	if other := settingOf(present, old.Action); other.SettingID != "" && other.SettingID != old.SettingID {
		return settledJSON{old.Action, settledChecked, other.Enabled, other.SettingID, other.Problem}, nil
	}
	if err := s.put(ctx, mirror.WebhookSeen{Action: old.Action, Problem: settingByHand}); err != nil {
		return settledJSON{}, err
	}
	return settledJSON{EventType: old.Action, Action: settledExists, Problem: settingByHand}, nil
}

// keep stores a setting's id and state.
func (s *settler) keep(
	ctx context.Context, eventType, id string, enabled bool, action settledAction,
) (settledJSON, error) {
	out := settledJSON{EventType: eventType, Action: action, Enabled: &enabled, SettingID: id}
	if !enabled {
		out.Problem = settingUnreached
		if action == settledRepaired {
			out.Action = settledFailed
		}
	}
	return out, s.put(ctx, mirror.WebhookSeen{
		Action: eventType, SettingID: id, Enabled: &enabled, Problem: out.Problem,
	})
}

// put stores what was found, also when whoever asked has gone meanwhile.
func (s *settler) put(ctx context.Context, seen mirror.WebhookSeen) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	checked := s.now().UTC()
	seen.CheckedAt = &checked
	backoff := loop.Backoff{Max: time.Second}
	for try := 1; ; try++ {
		err := s.settings.PutSetting(ctx, s.connection, seen)
		if err == nil {
			return nil
		}
		if try == keepTries || loop.Sleep(ctx, backoff.Next()) != nil {
			return fmt.Errorf("storing the setting of a webhook: %w", err)
		}
	}
}
