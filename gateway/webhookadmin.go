package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// withdrawTime bounds how long the removal of a connection waits for Ashby to delete its webhook settings.
const withdrawTime = 4 * time.Second

// WebhookAdmin manages the webhook settings of one organization at Ashby. It needs a key with API Keys write.
type WebhookAdmin interface {
	// CreateWebhook makes a setting. ashby.ErrDuplicate where there is one of the same type and address already.
	CreateWebhook(ctx context.Context, action, url string, secret ashby.Secret) (ashby.WebhookSetting, error)
	// Webhook reads a setting by its id. ashby.ErrNotFound.
	Webhook(ctx context.Context, id string) (ashby.WebhookSetting, error)
	// UpdateWebhook changes what is not nil.
	UpdateWebhook(
		ctx context.Context, id string, enabled *bool, url *string, secret *ashby.Secret,
	) (ashby.WebhookSetting, error)
	DeleteWebhook(ctx context.Context, id string) error
}

// withdrawWebhooks deletes at Ashby the settings that were made through its API, as far as the connection's own key may
// and Ashby answers soon. What stays there is answered 410 from now on, which ends its deliveries.
func (g *Gateway) withdrawWebhooks(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, withdrawTime)
	defer cancel()
	if err := g.deleteSettings(ctx, id); err != nil {
		g.log.WarnContext(ctx, "webhook settings stay at Ashby", "connection", id, "error", err)
	}
}

// deleteSettings ends at the first error that the others would meet too.
func (g *Gateway) deleteSettings(ctx context.Context, id string) error {
	all, err := g.opts.Settings.SettingsOf(ctx, id)
	if err != nil {
		return fmt.Errorf("reading webhook settings: %w", err)
	}
	var made []mirror.WebhookSeen
	for _, s := range all {
		if s.SettingID != "" {
			made = append(made, s)
		}
	}
	if len(made) == 0 {
		return nil
	}
	key, err := g.ownKey(ctx, id)
	if err != nil {
		return err
	}
	admin, err := g.opts.Webhooks(key)
	if err != nil {
		return fmt.Errorf("making an Ashby client: %w", err)
	}
	var errs []error
	for _, s := range made {
		err := admin.DeleteWebhook(ctx, s.SettingID)
		if err == nil || errors.Is(err, ashby.ErrNotFound) {
			continue
		}
		errs = append(errs, fmt.Errorf("deleting the setting of %s: %w", s.Action, err))
		if !isOfOneSetting(err) || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// isOfOneSetting says that an error of Ashby's concerns one setting, so that the next may go well: not the key, and not
// that Ashby gave no answer.
func isOfOneSetting(err error) bool {
	return errors.Is(err, ashby.ErrRefused) || errors.Is(err, ashby.ErrMalformed) || errors.Is(err, ashby.ErrNotFound) ||
		errors.Is(err, ashby.ErrDuplicate)
}

// keyedLocks let one request at a time work on the settings of a connection: two would each make one, and the id of
// one of them would be lost. The zero value is ready.
type keyedLocks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits until nobody else has the key, or for ctx.
func (k *keyedLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		released, isHeld := k.held[key]
		if !isHeld {
			defer k.mu.Unlock()
			return k.hold(key), nil
		}
		k.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another request: %w", ctx.Err())
		}
	}
}

// tryLock does not wait.
func (k *keyedLocks) tryLock(key string) (unlock func(), ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, isHeld := k.held[key]; isHeld {
		return nil, false
	}
	return k.hold(key), true
}

// hold is called with the mutex held.
func (k *keyedLocks) hold(key string) (unlock func()) {
	if k.held == nil {
		k.held = make(map[string]chan struct{})
	}
	released := make(chan struct{})
	k.held[key] = released
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.held, key)
		close(released)
	}
}
