package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// tokenFresh is how long a token that was read is used without asking the store: so long may one that was revoked
	// through another gateway still be of use.
	tokenFresh = 10 * time.Second
	// tokenStale is how old one may be that is used because the store does not answer. Nothing can be changed then, and
	// little be read.
	tokenStale = 5 * time.Minute
	// listFresh is how long a list of the hashes that there are is used.
	listFresh = time.Second
	// usedEvery is how often it is noted that a token is used.
	usedEvery = time.Minute
	usedTime  = time.Second
	usedQueue = 256
)

// errNotListed: the token is not among those of use.
var errNotListed = errors.New("not among the tokens of use")

// keyring finds tokens by their hash. It holds those of which the store said that they exist, revoked ones too.
type keyring struct {
	recall *recall[mirror.APIToken]
	lookup func(ctx context.Context, hash []byte) (mirror.APIToken, error)
	list   func(ctx context.Context) ([][]byte, error)
	note   func(ctx context.Context, id string) error
	log    *slog.Logger
	queue  chan string

	mu sync.Mutex
	// revoked are those that were revoked through this process: at once, whatever a lookup under way brings. noted is when
	// the use of a token was last noted.
	revoked map[string]time.Time
	noted   map[string]time.Time

	// listing is held by who reads the list, and guards what follows: the hashes of use, and when they were read.
	listing  sync.Mutex
	listed   map[[sha256.Size]byte]struct{}
	listedAt time.Time
}

func newKeyring(o Options) *keyring {
	return &keyring{
		recall: newRecall[mirror.APIToken](tokenFresh, tokenStale, o.Now),
		lookup: o.Tokens.TokenOf, list: o.Tokens.TokenHashes, note: o.Tokens.TokenUsed, log: o.Logger, queue: make(chan string, usedQueue),
		revoked: make(map[string]time.Time), noted: make(map[string]time.Time),
	}
}

// find returns the token with this hash, from memory if it is fresh enough or the store does not answer. With limited the
// store is asked for none that is neither in memory nor among those of use, of which a list is read at most once in
// listFresh: errNotListed. However many wrong ones come, a right one is found then, and the store has little to do.
// mirror.ErrNotFound if the store said that there is no such token; any other error means that it is not known.
func (k *keyring) find(ctx context.Context, hash [sha256.Size]byte, limited bool) (mirror.APIToken, error) {
	var may func() error
	if limited {
		may = func() error { return k.isListed(ctx, hash) }
	}
	t, err := k.recall.find(ctx, string(hash[:]), may, func(ctx context.Context) (mirror.APIToken, error) {
		t, err := k.lookup(ctx, hash[:])
		if err != nil && !errors.Is(err, mirror.ErrNotFound) {
			err = fmt.Errorf("looking up a token: %w", err)
		}
		return t, err
	})
	return k.asRevoked(t), err
}

// isListed is errNotListed for a token that is not of use, any other error where that is not known.
func (k *keyring) isListed(ctx context.Context, hash [sha256.Size]byte) error {
	k.listing.Lock()
	defer k.listing.Unlock()
	now := k.recall.now()
	if k.listed == nil || now.Sub(k.listedAt) >= listFresh {
		if err := k.readList(ctx, now); err != nil {
			return err
		}
	}
	if _, ok := k.listed[hash]; !ok {
		return errNotListed
	}
	return nil
}

// readList reads the hashes of the tokens of use; listing is held.
func (k *keyring) readList(ctx context.Context, now time.Time) error {
	if k.recall.isResting(now) {
		return errStoreResting
	}
	bounded, cancel := context.WithTimeout(ctx, recallLookup)
	defer cancel()
	hashes, err := k.list(bounded)
	if err != nil {
		k.recall.failed(ctx, now)
		return fmt.Errorf("listing the tokens of use: %w", err)
	}
	k.listed, k.listedAt = make(map[[sha256.Size]byte]struct{}, len(hashes)), now
	for _, h := range hashes {
		if len(h) == sha256.Size {
			k.listed[[sha256.Size]byte(h)] = struct{}{}
		}
	}
	return nil
}

// revoke makes a token of no use here from now on.
func (k *keyring) revoke(id string, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revoked[id] = at
}

// asRevoked is the token as it is after what was revoked through this process.
func (k *keyring) asRevoked(t mirror.APIToken) mirror.APIToken {
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, ok := k.revoked[t.ID]; ok && t.RevokedAt == nil {
		t.RevokedAt = &at
	}
	return t
}

// used has it noted, beside the request, that a token is used.
func (k *keyring) used(id string) {
	now := k.recall.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if last, ok := k.noted[id]; ok && now.Sub(last) < usedEvery {
		return
	}
	select {
	case k.queue <- id:
		k.noted[id] = now
	default: // the next use is noted
	}
}

// run notes what is queued until ctx ends.
func (k *keyring) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-k.queue:
			k.noteUse(ctx, id)
		}
	}
}

func (k *keyring) noteUse(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, usedTime)
	defer cancel()
	err := k.note(ctx, id)
	if err == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.noted, id)
	k.log.DebugContext(ctx, "the use of a token was not noted", "token", id, "error", err)
}
