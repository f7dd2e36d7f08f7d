// Package rotation exchanges the key that seals secrets while all services run. It guarantees that at every moment each of
// them can open whatever is sealed, and that a call which was broken off anywhere is taken up by the next one. Where it
// cannot go on it changes nothing more and says what to do.
//
// A rotation goes through phases, each of which is durable before the next begins:
//
//  1. A new key is added to the keyset file, for opening alone.
//  2. Every process has it in memory that was heard of within ten minutes and did not stop. From then on the database has it
//     that none starts without. One that was silent for longer and comes back takes the key from its file, or ends.
//  3. It becomes the key that seals. Processes take that from the file within seconds; until then they seal with the old
//     key, which all of them have too.
//  4. What is sealed with older keys is opened and sealed anew, row by row. A row that was changed meanwhile is left to the
//     next pass.
//  5. When every process seals with the new key and a pass found nothing older, the rotation is finished.
//
// Older keys stay in the file, until Retire finds that nothing is sealed with them and that no process could still use
// them. Where the file lacks a key with which something is sealed, it is not the present one: nothing is begun, and nothing
// is finished.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	// leaseName and leaseTime keep other rotations out. A batch takes far less time.
	leaseName = "keyset"
	leaseTime = time.Minute
	// aliveWithin is for how long a process counts as running after it was last heard of.
	aliveWithin = 30 * time.Second
	// forgottenAfter is when one that did not stop in order counts as gone for good, so that a key may seal that it lacks, or
	// be removed that it has.
	forgottenAfter = 10 * time.Minute
	// lookEvery is between two looks at what the processes have in memory.
	lookEvery = 500 * time.Millisecond
	// settle is what a process may take to commit what it sealed just before it took another key. Where it takes longer, a
	// later call finds it: until then, the older key is there. retireAfter is that time when the key is to be removed.
	settle      = 2 * time.Second
	retireAfter = time.Minute
)

var (
	// ErrBusy says that another process rotates.
	ErrBusy = errors.New("another rotation is running")
	// ErrWaiting says that a process does not have the keys that it needs for the rotation to go on.
	ErrWaiting = errors.New("not every process has the present keyset")
	// ErrLeft says that something could not be sealed anew, or is sealed with older keys still.
	ErrLeft = errors.New("not everything is sealed with the present key")
	// ErrKeyMissing says that something is sealed with a key that the keyset file lacks.
	ErrKeyMissing = errors.New("the keyset lacks a key that sealed something")
	// ErrUnfinished says that keys cannot be retired yet.
	ErrUnfinished = errors.New("no rotation is finished")
)

// Store keeps what is sealed, and what is known of the processes that open it.
type Store interface {
	Holders(ctx context.Context) ([]mirror.KeysetHolder, error)
	// Rotation is the latest one. mirror.ErrNotFound.
	Rotation(ctx context.Context) (mirror.KeyRotation, error)
	Begin(ctx context.Context, key uint32) error
	Abandon(ctx context.Context, key uint32) error
	Require(ctx context.Context, key uint32) error
	Finish(ctx context.Context, key uint32) error
	Retire(ctx context.Context, key uint32) error
	// SealedPage returns rows in order behind after, none at the end. Rows of what begins with except are cut to that.
	SealedPage(ctx context.Context, place mirror.SealedPlace, after mirror.SealedKey, except []byte, limit int) (
		[]mirror.SealedRow, error)
	// Reseal replaces what is still there, and says how many that were.
	Reseal(ctx context.Context, place mirror.SealedPlace, old []mirror.SealedRow, next []mirror.Sealed) (int, error)
}

// Leases keep two rotations apart.
type Leases interface {
	Acquire(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error)
	Release(ctx context.Context, name, owner string) error
}

// Options make a Rotator.
type Options struct {
	Keys   *seal.Keyset
	Store  Store
	Leases Leases
	// Owner names this process among those that may rotate.
	Owner string
	// Wait is how long processes may take to have the present keyset.
	Wait time.Duration
	// LookEvery is between two looks at that, half a second if zero.
	LookEvery time.Duration
	// Settle is how long what was sealed with an older key may take to be committed, two seconds if zero; RetireAfter is
	// how long after the end of a rotation the older keys are removed at the earliest, a minute if zero.
	Settle, RetireAfter time.Duration
	// Batch is how many rows are read at once, 200 if zero.
	Batch int
	// Say is told of progress, in sentences; nil drops them.
	Say func(sentence string)
}

// Rotator rotates. It serves one call at a time.
type Rotator struct {
	o Options
	// renewed is when the lease was last taken.
	renewed time.Time
}

// New makes a Rotator.
func New(o Options) (*Rotator, error) {
	if o.Keys == nil || o.Store == nil || o.Leases == nil || o.Owner == "" {
		return nil, errors.New("rotation needs a keyset, a store, leases and an owner")
	}
	if o.Batch == 0 {
		o.Batch = 200
	}
	if o.LookEvery == 0 {
		o.LookEvery = lookEvery
	}
	if o.Settle == 0 {
		o.Settle = settle
	}
	if o.RetireAfter == 0 {
		o.RetireAfter = retireAfter
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	return &Rotator{o: o}, nil
}

func (r *Rotator) say(format string, args ...any) { r.o.Say(fmt.Sprintf(format, args...)) }

// Rotate exchanges the key that seals, or goes on with an exchange that was broken off. The report is valid also beside an
// error, as far as the rotation came.
func (r *Rotator) Rotate(ctx context.Context) (Report, error) {
	return r.alone(ctx, func() (Report, error) {
		key, err := r.present(ctx)
		if err != nil {
			return r.report(), err
		}
		if report, err := r.lacksNone(ctx, key); err != nil {
			return report, err
		}
		if key == 0 {
			if key, err = r.add(ctx); err != nil {
				return r.report(), err
			}
		}
		return r.finish(ctx, key)
	})
}

// Retire goes on with a rotation that was broken off, and removes from the keyset file the keys before its own, if nothing
// is sealed with them any more and every process seals with the new one.
func (r *Rotator) Retire(ctx context.Context) (Report, error) {
	return r.alone(ctx, func() (Report, error) {
		present, err := r.o.Store.Rotation(ctx)
		if errors.Is(err, mirror.ErrNotFound) {
			return r.report(), fmt.Errorf("%w: rotate first", ErrUnfinished)
		}
		if err != nil {
			return r.report(), err
		}
		if err := r.mustHave(present); err != nil {
			return r.report(), err
		}
		if keys := r.o.Keys.Keys(); present.Finished && keys.Sealing != seal.KeyID(present.Key) {
			return r.report(), fmt.Errorf("%w: %s seals with key %d, of which the database, which may have been restored, knows no rotation: "+
				"rotate first", ErrUnfinished, r.o.Keys.Path(), keys.Sealing)
		}
		if !present.Finished {
			if report, err := r.lacksNone(ctx, seal.KeyID(present.Key)); err != nil {
				return report, err
			}
		}
		if err := r.rest(ctx, present); err != nil {
			return r.report(), err
		}
		report, err := r.finish(ctx, seal.KeyID(present.Key))
		if err != nil && (!report.Finished || r.needsOlder(report)) {
			return report, err
		}
		return r.retire(ctx, seal.KeyID(present.Key), report)
	})
}

// rest waits until nothing can be in work any more that was sealed with an older key. A rotation that is not finished is
// gone on with first.
func (r *Rotator) rest(ctx context.Context, present mirror.KeyRotation) error {
	if !present.Finished {
		report, err := r.finish(ctx, seal.KeyID(present.Key))
		if err != nil && (!report.Finished || r.needsOlder(report)) {
			return err
		}
	}
	left := r.o.RetireAfter - present.FinishedFor
	if left <= 0 || len(r.o.Keys.Keys().All) == 1 {
		return nil
	}
	r.say("waiting for %s, in which what was in work at the end of the rotation is committed", left.Round(time.Second))
	for ; left > 0; left -= lookEvery {
		if err := errors.Join(r.lead(ctx), loop.Sleep(ctx, min(left, lookEvery))); err != nil {
			return err
		}
	}
	return nil
}

// alone keeps other rotations out while work runs.
func (r *Rotator) alone(ctx context.Context, work func() (Report, error)) (Report, error) {
	r.renewed = time.Time{}
	if err := r.lead(ctx); err != nil {
		return r.report(), err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.o.Leases.Release(ending, leaseName, r.o.Owner) // else it ends by itself
	}()
	if _, err := r.o.Keys.Refresh(); err != nil {
		return r.report(), err
	}
	return work()
}

// lead takes the lease, or renews it where it was for some time.
func (r *Rotator) lead(ctx context.Context) error {
	began := time.Now()
	if began.Sub(r.renewed) < leaseTime/6 {
		return ctx.Err()
	}
	_, held, err := r.o.Leases.Acquire(ctx, leaseName, r.o.Owner, leaseTime)
	if err == nil && !held {
		err = ErrBusy
	}
	if err == nil {
		r.renewed = began
	}
	return err
}

// present returns the new key of a rotation that was broken off, 0 if there is none.
func (r *Rotator) present(ctx context.Context) (seal.KeyID, error) {
	for {
		present, err := r.o.Store.Rotation(ctx)
		if errors.Is(err, mirror.ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		err = r.mustHave(present)
		switch {
		case err == nil && present.Finished:
			return 0, nil
		case err == nil:
			r.say("going on with the rotation to key %d", present.Key)
			return seal.KeyID(present.Key), nil
		case present.Required || present.Finished || r.isHeld(ctx, present.Key):
			return 0, err
		}
		// The file in which it was added is gone, and it never sealed anything. The rotation before that counts again.
		if err := r.o.Store.Abandon(ctx, present.Key); err != nil {
			return 0, err
		}
		r.say("forgot key %d of a rotation that was broken off: no file has it, and it sealed nothing", present.Key)
	}
}

// add adds a key to the file, and notes that a rotation to it has begun. A key behind the one that seals was added by a call
// that was broken off before it could note that.
func (r *Rotator) add(ctx context.Context) (seal.KeyID, error) {
	keys := r.o.Keys.Keys()
	added := keys.All[len(keys.All)-1]
	if added == keys.Sealing {
		var err error
		if added, err = r.o.Keys.AddKey(); err != nil {
			return 0, err
		}
	}
	if err := r.o.Store.Begin(ctx, uint32(added)); err != nil {
		return 0, err
	}
	r.say("added key %d to %s", added, r.o.Keys.Path())
	return added, nil
}

// mustHave is seal.ErrStale where the file is older than the present rotation. It may be newer, where the database was
// restored to an earlier time.
func (r *Rotator) mustHave(present mirror.KeyRotation) error {
	keys, key := r.o.Keys.Keys(), seal.KeyID(present.Key)
	if !keys.Has(key) {
		return fmt.Errorf("the keyset %s lacks key %d of the present rotation: %w: copy the file here from the host where the "+
			"rotation began, and call again", r.o.Keys.Path(), key, seal.ErrStale)
	}
	if present.Finished && slices.Index(keys.All, keys.Sealing) < slices.Index(keys.All, key) {
		return fmt.Errorf("the keyset %s seals with key %d, though the rotation to key %d is finished: %w: copy the present file here, "+
			"and call again", r.o.Keys.Path(), keys.Sealing, key, seal.ErrStale)
	}
	return nil
}

// isHeld says whether some process has a key in memory; where that cannot be read, it is taken for one.
func (r *Rotator) isHeld(ctx context.Context, key uint32) bool {
	holders, err := r.o.Store.Holders(ctx)
	if err != nil {
		return true
	}
	for _, h := range holders {
		if has(h, seal.KeyID(key)) {
			return true
		}
	}
	return false
}

// finish goes through the phases that follow the adding of a key. Each looks by itself whether it is done already.
func (r *Rotator) finish(ctx context.Context, key seal.KeyID) (Report, error) {
	knows := func(h mirror.KeysetHolder) bool { return has(h, key) }
	within := forgottenAfter
	if r.o.Keys.Keys().Sealing == key { // they were waited for by the call that chose the key
		within = aliveWithin
	}
	if err := r.await(ctx, within, "to have key", key, knows); err != nil {
		return r.report(), err
	}
	if err := r.o.Store.Require(ctx, uint32(key)); err != nil {
		return r.report(), err
	}
	// One may have started between the last look and the requirement.
	if err := r.await(ctx, within, "to have key", key, knows); err != nil {
		return r.report(), err
	}
	if r.o.Keys.Keys().Sealing != key {
		if err := r.o.Keys.SealWith(key); err != nil {
			return r.report(), err
		}
		r.say("key %d seals from now on", key)
	}
	report, err := r.reseal(ctx, key)
	if err != nil {
		return report, err
	}
	seals := func(h mirror.KeysetHolder) bool { return sealsWith(h, key) }
	if err := r.await(ctx, aliveWithin, "to seal with key", key, seals); err != nil {
		return report, err
	}
	// What they sealed with an older key until now.
	if report.Sealed > 0 {
		if err := loop.Sleep(ctx, r.o.Settle); err != nil {
			return report, err
		}
	}
	last, err := r.reseal(ctx, key)
	report.take(last)
	if err != nil || report.Older > 0 {
		return report, errors.Join(err, r.left(report))
	}
	if err := r.lacking(report.Damaged); err != nil {
		return report, err
	}
	if report.Sealed == 0 && len(report.Damaged) > 0 {
		return report, fmt.Errorf("nothing opens with %s: %w", r.o.Keys.Path(), r.left(report))
	}
	if err := r.o.Store.Finish(ctx, uint32(key)); err != nil {
		return report, err
	}
	report.Finished = true
	if len(report.Damaged) > 0 {
		return report, r.left(report)
	}
	return report, nil
}

// needsOlder says whether something that does not open was sealed with a key that Retire would remove: it may yet be mended.
func (r *Rotator) needsOlder(report Report) bool {
	keys := r.o.Keys.Keys()
	for _, d := range report.Damaged {
		if d.Key != keys.Sealing && keys.Has(d.Key) {
			return true
		}
	}
	return false
}

func (r *Rotator) left(report Report) error {
	return fmt.Errorf("%w: %d are sealed with older keys, %d do not open", ErrLeft, report.Older, len(report.Damaged))
}
