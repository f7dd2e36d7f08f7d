// Package doctor looks whether an installation is sound: its configuration, secrets, servers and connections. It changes
// nothing, prints no secret, and ends within 20 seconds whatever hangs. That it opens stored secrets stands in the audit log. Each finding says what was found and, where that is
// not well, what to do.
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	// budget bounds everything; groups of checks run side by side, each step of which is bounded by itself.
	budget = 18 * time.Second
	// databaseTime bounds what is asked of the database, askTime one question over HTTP.
	databaseTime = 9 * time.Second
	askTime      = 6 * time.Second
)

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning"
	Failed  Outcome = "failed"
	// Skipped was not looked at; Found says why.
	Skipped Outcome = "skipped"
)

// Finding is what a check found.
type Finding struct {
	Check   string  `json:"check"`
	Outcome Outcome `json:"outcome"`
	// Found is one sentence, Do what to do about it; empty where nothing is.
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// Options say what to look at.
type Options struct {
	// Config is the configuration as far as it could be read, Faults what is wrong with it.
	Config config.Config
	Faults []string
	// Version is this program's, Actor who runs it, as the audit log names them.
	Version, Actor string
	// EmbeddedNATS says that the NATS is that of `ashbridge up`.
	EmbeddedNATS bool
	// EmbeddedDatabase says that the database is that of `ashbridge up`.
	EmbeddedDatabase bool
	// Monitor is the address of NATS's monitoring, as http://host:8222; where empty, it is looked for at NATS's own host.
	Monitor string
	// Connection, by its id or employer_ref, is looked at too, if it is not empty.
	Connection string
	Logger     *slog.Logger
}

// Run makes all checks.
func Run(ctx context.Context, o Options) []Finding {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &doctor{Options: o, http: &http.Client{
		Timeout:       askTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
	}}
	keys, found := d.keyset()
	groups := []func(context.Context) []Finding{
		d.configuration,
		func(context.Context) []Finding { return found },
		func(ctx context.Context) []Finding { return d.database(ctx, keys) },
		d.nats, d.door, d.durability, d.publicAddress, d.proxies, d.ashby,
	}
	findings := make([][]Finding, len(groups))
	var looking sync.WaitGroup
	for i, look := range groups {
		looking.Go(func() { findings[i] = look(ctx) })
	}
	looking.Wait()
	var all []Finding
	for _, f := range findings {
		all = append(all, f...)
	}
	return all
}

// doctor makes the checks; they share nothing that changes.
type doctor struct {
	Options
	http *http.Client
}

func ok(check, format string, args ...any) Finding {
	return Finding{Check: check, Outcome: OK, Found: fmt.Sprintf(format, args...)}
}

func skipped(check, why string) Finding { return Finding{Check: check, Outcome: Skipped, Found: why} }

func failed(check, found, do string) Finding {
	return Finding{Check: check, Outcome: Failed, Found: found, Do: do}
}

func warning(check, found, do string) Finding {
	return Finding{Check: check, Outcome: Warning, Found: found, Do: do}
}

// unreached is what to do about a server that is not reached; one of `ashbridge up` runs while that does.
func (d *doctor) unreached(isOfUp bool, do string) string {
	if isOfUp {
		return "start `ashbridge up` of " + d.Config.DataDir + " again: it left its addresses there, and does not run or hangs"
	}
	return do
}

func (d *doctor) configuration(context.Context) []Finding {
	const check = "configuration"
	var all []Finding
	if len(d.Faults) == 0 {
		all = append(all, ok(check, "every setting can be read"))
	}
	for _, w := range d.Config.Warnings {
		all = append(all, warning(check+": secrets", w.Found, w.Do))
	}
	for _, fault := range d.Faults {
		all = append(all, failed(check, fault, "set it as docs/configuration.md says; `ashbridge doctor --help` lists every setting"))
	}
	return all
}

// keyset reads the file; keys is nil where that failed.
func (d *doctor) keyset() (keys *seal.Keyset, found []Finding) {
	const check = "keyset"
	if d.Config.KeysetFile == "" {
		return nil, []Finding{skipped(check, "ASHBRIDGE_KEYSET_FILE is not set")}
	}
	keys, err := seal.Load(d.Config.KeysetFile)
	if err != nil {
		return nil, []Finding{failed(check, err.Error(), "name the keyset of this installation, readable by this user alone; from a backup if it is lost, "+
			"since nothing else opens what it sealed")}
	}
	ids := keys.Keys()
	if len(ids.All) > 1 {
		return keys, []Finding{warning(check, fmt.Sprintf("%s has %d keys, of which %d seals", keys.Path(), len(ids.All), ids.Sealing),
			"after a rotation, `ashbridge keys rotate --retire` removes the old ones")}
	}
	return keys, []Finding{ok(check, "%s can be read by its owner alone; key %d seals", keys.Path(), ids.Sealing)}
}
