package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// keysEvery is how often a process looks at its keyset's file and says which keys it has: a rotation waits for that.
const keysEvery = 5 * time.Second

// letGoTimeout bounds the farewell of a process.
const letGoTimeout = 2 * time.Second

// Keyholder says in the database which keys this process has, so that a rotation never seals with one that it lacks.
type Keyholder struct {
	parts   Parts
	service string
	// Every is how often, five seconds where zero.
	Every time.Duration
}

// NewKeyholder makes the keyholder of a process, by the name of its service.
func NewKeyholder(p Parts, service string) *Keyholder {
	return &Keyholder{parts: p, service: service, Every: keysEvery}
}

// Enter notes this process's keys before it does any work. The error is seal.ErrStale where its file is an older copy, with
// which it could not open what others seal.
func (k *Keyholder) Enter(ctx context.Context) error {
	required, err := k.note(ctx, nil)
	if err != nil {
		return err
	}
	if required != 0 && !k.parts.Keys.Keys().Has(required) {
		return errors.Join(fmt.Errorf("the keyset %s lacks key %d, with which secrets in the database are sealed: %w: copy the present file "+
			"there from another host", k.parts.Keys.Path(), required, seal.ErrStale), k.Leave(ctx))
	}
	return nil
}

// Run follows the keyset's file, and says what this process has of it, until ctx ends.
func (k *Keyholder) Run(ctx context.Context) error {
	log := k.parts.Log
	before := k.parts.Keys.Keys()
	var fault string
	return loop.Every(ctx, loop.Options{Interval: k.Every, Jitter: 0.1, OnError: func(ctx context.Context, err error) {
		log.WarnContext(ctx, "keys of this process not noted", "error", err)
	}}, func(ctx context.Context) error {
		_, err := k.parts.Keys.Refresh()
		now := k.parts.Keys.Keys()
		if now.Sealing != before.Sealing || !slices.Equal(now.All, before.All) {
			log.InfoContext(ctx, "keyset taken anew", "sealing_key", now.Sealing, "keys", len(now.All))
			before = now
		}
		said := fault
		if fault = ""; err != nil {
			fault = err.Error()
		}
		if fault != "" && fault != said {
			log.ErrorContext(ctx, "keyset not taken, the keys in memory stay", "error", err)
		}
		_, err = k.note(ctx, err)
		return err
	})
}

// Leave says that this process has stopped.
func (k *Keyholder) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoTimeout)
	defer cancel()
	return k.parts.DB.Keyset().LetGo(ctx, k.parts.Owner)
}

func (k *Keyholder) note(ctx context.Context, fault error) (required seal.KeyID, err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	keys := k.parts.Keys.Keys()
	h := mirror.KeysetHolder{Owner: k.parts.Owner, Service: k.service, Host: host, Sealing: uint32(keys.Sealing)}
	for _, id := range keys.All {
		h.Keys = append(h.Keys, uint32(id))
	}
	if fault != nil {
		h.Fault = fault.Error()
	}
	id, err := k.parts.DB.Keyset().Hold(ctx, h)
	return seal.KeyID(id), err
}
