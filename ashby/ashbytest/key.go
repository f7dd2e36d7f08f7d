package ashbytest

import (
	"slices"
	"time"
)

// KeyOptions describes an API key.
type KeyOptions struct {
	// Title is the key's name in Ashby; a default is made up when empty.
	Title string
	// Scopes is what the key may do, such as "jobs:read"; nil means jobs:read, organization:read and apiKeys:read.
	Scopes []string
	// Confidential lets the key see confidential jobs and their postings.
	Confidential bool
	// Key is the key itself; empty means one that depends on seed, slug and the number of keys made before.
	Key string
}

type apiKey struct {
	org          *Organization
	value        string
	title        string
	scopes       []string
	confidential bool
	revoked      bool
	createdAt    time.Time
	windowEnd    time.Time
	used         int
}

// AddKey makes an API key of the organisation.
func (o *Organization) AddKey(opts KeyOptions) (key string) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.keyCount++
	k := &apiKey{
		org: o, value: opts.Key, title: opts.Title, scopes: slices.Clone(opts.Scopes),
		confidential: opts.Confidential, createdAt: o.sim.opts.Now(),
	}
	if k.value == "" {
		k.value = stableKey(o.sim.opts.Seed, o.slug, o.keyCount)
	}
	if k.title == "" {
		k.title = "Job board"
	}
	if opts.Scopes == nil {
		k.scopes = []string{"jobs:read", "organization:read", "apiKeys:read"}
	}
	o.sim.keys[k.value] = k
	return k.value
}

// Keys gives the organisation's keys that are not revoked, in no particular order.
func (o *Organization) Keys() []string {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	var out []string
	for _, k := range o.sim.keys {
		if k.org == o && !k.revoked {
			out = append(out, k.value)
		}
	}
	return out
}

// RevokeKey disables a key, for good: it gets 403 from now on. It reports whether the key was this organisation's.
func (o *Organization) RevokeKey(key string) bool {
	return o.withKey(key, func(k *apiKey) { k.revoked = true })
}

// SetScopes changes what a key may do. It reports whether the key is this organisation's.
func (o *Organization) SetScopes(key string, scopes ...string) bool {
	return o.withKey(key, func(k *apiKey) { k.scopes = slices.Clone(scopes) })
}

func (o *Organization) withKey(key string, change func(*apiKey)) bool {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	k, ok := o.sim.keys[key]
	if !ok || k.org != o {
		return false
	}
	change(k)
	return true
}

// last4 is all of a key that the log keeps.
func last4(key string) string { return key[max(0, len(key)-4):] }
