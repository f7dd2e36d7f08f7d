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

const (
	// noteTimeout bounds one note of the keys, so that a process whose note hangs twice in a row still counts as running: a
	// rotation takes it for gone half a minute after the last one.
	noteTimeout = 4 * time.Second
	// letGoTimeout bounds the farewell of a process.
	letGoTimeout = 2 * time.Second
)

// Keyholder says in the database which keys this process has, so that a rotation never seals with one that it lacks.
type Keyholder struct {
	parts   Parts
	service string
	// Every is how often, Timeout bounds each time.
	Every, Timeout time.Duration
}

// NewKeyholder makes the keyholder of a process, by the name of its service.
func NewKeyholder(p Parts, service string) *Keyholder {
	return &Keyholder{parts: p, service: service, Every: keysEvery, Timeout: noteTimeout}
}

// Enter notes this process's keys before it does any work. The error is seal.ErrStale where its file is an older copy, with
// which it could not open what others seal.
func (k *Keyholder) Enter(ctx context.Context) error {
	lack, err := k.note(ctx, nil)
	if err != nil {
		return err
	}
	if lack != nil {
		return errors.Join(lack, k.Leave(ctx))
	}
	return nil
}

// Run follows the keyset's file, and says what this process has of it, until ctx ends. It ends with seal.ErrStale where the
// file lacks the key with which others seal by now: a process that was paused, or cut off from the database, for longer than
// a rotation waited for it opens too little, and what it sealed might open for nobody.
func (k *Keyholder) Run(ctx context.Context) error {
	log := k.parts.Log
	before := k.parts.Keys.Keys()
	var fault string
	ctx, end := context.WithCancel(ctx)
	defer end()
	var lack error
	return errors.Join(loop.Every(ctx, loop.Options{Interval: k.Every, Jitter: 0.1, OnError: func(ctx context.Context, err error) {
		log.WarnContext(ctx, "keys of this process not noted", "error", err)
	}}, func(ctx context.Context) error {
		_, err := k.parts.Keys.Refresh()
		said := fault
		if fault = ""; err != nil {
			fault = err.Error()
		}
		if fault != "" && fault != said {
			log.ErrorContext(ctx, "keyset not taken, the keys in memory stay", "error", err)
		}
		if lack, err = k.note(ctx, err); lack != nil {
			end()
		}
		now := k.parts.Keys.Keys()
		if now.Sealing != before.Sealing || !slices.Equal(now.All, before.All) {
			log.InfoContext(ctx, "keyset taken anew", "sealing_key", now.Sealing, "keys", len(now.All))
			before = now
		}
		return err
	}), lack)
}

// Leave says that this process has stopped.
func (k *Keyholder) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoTimeout)
	defer cancel()
	return k.parts.DB.Keyset().LetGo(ctx, k.parts.Owner)
}

// note says which keys are in memory, and learns which one the database requires. lack is seal.ErrStale where neither memory
// nor the file has that.
func (k *Keyholder) note(ctx context.Context, fault error) (lack, err error) {
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
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	id, err := k.parts.DB.Keyset().Hold(ctx, h)
	if err != nil {
		return nil, err
	}
	required := seal.KeyID(id)
	k.parts.Keys.Require(required)
	if required == 0 || k.parts.Keys.Keys().Has(required) {
		return nil, nil
	}
	// The file that was refused may be the one that the database requires.
	if _, err := k.parts.Keys.Refresh(); err == nil && k.parts.Keys.Keys().Has(required) {
		return nil, nil
	}
	return fmt.Errorf("the keyset %s lacks key %d, with which secrets in the database are sealed: %w: copy the present file "+
		"there from another host", k.parts.Keys.Path(), required, seal.ErrStale), nil
}
