package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	noNATS = "ASHBRIDGE_NATS_URL is not set"
	// asAdmin is what to do where a service's own user sees too little.
	asAdmin = "to see it, name the address with the user admin: --nats-url-file nats-url-admin, of `ashbridge keys init`"
	// nearlyFull is the share of a stream's bound, in percent, above which it is said.
	nearlyFull = 80
)

func (d *doctor) busOptions() bus.Options {
	return bus.Options{
		URL: d.Config.NATSURL.Reveal(), Name: "ashbridge doctor", CredentialsFile: d.Config.NATSCredsFile,
		Records: d.Config.RecordEvents, Logger: d.Logger,
	}
}

// nats looks at the server and the streams.
func (d *doctor) nats(ctx context.Context) []Finding {
	const check = "nats"
	if d.Config.NATSURL == "" {
		return []Finding{skipped(check, noNATS)}
	}
	seen, err := bus.Inspect(ctx, d.busOptions())
	if err != nil {
		return []Finding{failed(check, sentence(err), d.unreached(d.EmbeddedNATS, "see that the server runs, is reached from here, and knows the user and password of ASHBRIDGE_NATS_URL"))}
	}
	all := []Finding{ok(check, "nats-server %s, answers in %s", seen.Version, span(seen.RTT))}
	switch {
	case !recent(seen.Version):
		all[0] = failed(check, "nats-server "+seen.Version+" is too old", "upgrade it to version 2.12 or newer, which stores batches at once or not at all")
	case !seen.AsksWho:
		all[0] = failed(check, "it asks nobody for a user: every job board could do everything", "configure it as ops/nats says, with passwords of `ashbridge keys init`")
	case seen.MaxPayload < bus.MaxMessage:
		all[0] = warning(check, fmt.Sprintf("it takes messages of up to %s, and a larger event waits for ever", size(seen.MaxPayload)),
			"set max_payload: 8MB in its configuration")
	}
	for _, name := range []string{bus.StreamJobs, bus.StreamHints, bus.StreamSpill, bus.StreamRecords} {
		if s, isAsked := seen.Streams[name]; isAsked {
			all = append(all, stream(name, s, seen.Cluster, d.Config.NATSReplicas))
		}
	}
	return append(all, account(seen))
}

// recent says whether a server's version is 2.12 or newer.
func recent(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (major > 2 || major == 2 && minor >= 12)
}

func stream(name string, s bus.StreamInspection, cluster string, replicas int) Finding {
	check := "nats: stream " + name
	switch {
	case errors.Is(s.Err, bus.ErrDenied):
		return skipped(check, "this user of NATS may not ask; "+asAdmin)
	case errors.Is(s.Err, bus.ErrNoStream):
		return failed(check, "it is not there", "start the services, which make it; if they run, their logs say why they cannot")
	case s.Err != nil:
		return failed(check, sentence(s.Err), "see that JetStream is enabled in the account of the services")
	case s.Misshapen:
		return failed(check, "its configuration is not what it should be", "restart the service that keeps it: the notifier for JOBS and RECORDS, the gateway for "+
			"SPILL and HINTS; its log says why the server refuses, if it does")
	case len(s.Behind) > 0:
		return warning(check, "its copies at "+strings.Join(s.Behind, ", ")+" are away or behind", "see to those servers")
	case s.MaxBytes > 0 && s.Bytes*100 > s.MaxBytes*nearlyFull:
		return warning(check, fmt.Sprintf("%s of %s are used; a full stream takes nothing more", size(s.Bytes), size(s.MaxBytes)),
			"see what fills it, and the runbook of AshbridgeStreamNearlyFull")
	case replicas > 0 && s.Replicas != replicas:
		return warning(check, fmt.Sprintf("%d servers keep it, and ASHBRIDGE_NATS_REPLICAS is %d", s.Replicas, replicas),
			"set the same for all services; the one that keeps the stream, the notifier for JOBS and RECORDS, changes it when it starts")
	case cluster != "" && s.Replicas == 1:
		return warning(check, "NATS is a cluster, "+cluster+", and only one of its servers has this stream", "set ASHBRIDGE_NATS_REPLICAS to 3 for all services")
	}
	return ok(check, "%d messages, %s of %s, kept by %d", s.Messages, size(s.Bytes), size(s.MaxBytes), s.Replicas)
}

// account compares the streams' bounds with what the account may take.
func account(seen bus.Inspection) Finding {
	const check = "nats: limits"
	switch {
	case errors.Is(seen.AccountErr, bus.ErrDenied):
		return skipped(check, "this user of NATS may not ask; "+asAdmin)
	case seen.AccountErr != nil:
		return failed(check, "JetStream does not answer: "+sentence(seen.AccountErr), "enable jetstream in the server's configuration and in the account of the services")
	}
	disk, memory := int64(0), int64(0)
	for name, s := range seen.Streams {
		if name == bus.StreamHints {
			memory += s.MaxBytes
		} else {
			disk += s.MaxBytes
		}
	}
	if over(disk, seen.Account.MaxStore) || over(memory, seen.Account.MaxMemory) {
		return failed(check, fmt.Sprintf("the streams may take %s of disk and %s of memory, and the account allows %s and %s",
			size(disk), size(memory), limit(seen.Account.MaxStore), limit(seen.Account.MaxMemory)),
			"raise max_file_store, max_memory_store and the limits of the account")
	}
	return ok(check, "the streams may take %s of disk and %s of memory; the account allows %s and %s", size(disk), size(memory),
		limit(seen.Account.MaxStore), limit(seen.Account.MaxMemory))
}

func over(bytes, limit int64) bool { return limit >= 0 && bytes > limit }

func limit(bytes int64) string {
	if bytes < 0 {
		return "any"
	}
	return size(bytes)
}

// door tries whether logins of job boards are judged.
func (d *doctor) door(ctx context.Context) []Finding {
	const check = "nats: job boards' logins"
	if d.Config.NATSURL == "" {
		return []Finding{skipped(check, noNATS)}
	}
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails, says crypto/rand
	stranger := mirror.Subscriber{ID: "sub_" + hex.EncodeToString(raw), Generation: 1}
	seen, err := bus.InspectDoor(ctx, d.busOptions(), stranger.User())
	if err != nil {
		return []Finding{skipped(check, "NATS was not reached")}
	}
	const serve = "run a gateway that has the issuer's seed in ASHBRIDGE_NATS_ISSUER_FILE and reaches NATS and Postgres"
	slow := seen.Took > 2*time.Second
	switch {
	case seen.LetIn:
		return []Finding{failed(check, "a stranger was let in", "configure the server as ops/nats says")}
	case seen.Asked && d.wrongIssuer(seen.Issuer) != "":
		return []Finding{failed(check, d.wrongIssuer(seen.Issuer), "make BOARDS_ISSUER of the server and ASHBRIDGE_NATS_ISSUER_FILE of the gateways fit one another: "+
			"`ashbridge keys issuer FILE` prints the public key")}
	case slow:
		return []Finding{failed(check, "nobody answered NATS about a stranger's login, so no board can log in", serve)}
	case seen.Asked:
		return []Finding{ok(check, "a gateway refused a stranger after %s", span(seen.Took))}
	case seen.CanSee:
		return []Finding{failed(check, "NATS refused a stranger by itself and asked no gateway", "add the auth_callout of ops/nats/accounts.conf to the server's configuration")}
	}
	return []Finding{ok(check, "a stranger was refused after %s; who judged, this user of NATS may not see", span(seen.Took))}
}

// wrongIssuer says that the server trusts another issuer than the one that is configured here.
func (d *doctor) wrongIssuer(atServer string) string {
	if d.Config.NATSIssuer == "" {
		return ""
	}
	here, err := bus.IssuerKey(d.Config.NATSIssuer.Reveal())
	if err != nil || here == atServer {
		return ""
	}
	return "NATS trusts the issuer " + atServer + ", and the seed here is that of " + here
}

// durability asks the server's monitoring, since no client of NATS can see when messages are written to disk.
func (d *doctor) durability(ctx context.Context) []Finding {
	const check = "nats: sync_interval"
	if d.EmbeddedNATS {
		return []Finding{ok(check, "the server is that of `ashbridge up`, which has each message on disk before it is acknowledged")}
	}
	if d.Config.NATSURL == "" && d.Monitor == "" {
		return []Finding{skipped(check, noNATS)}
	}
	monitor := d.Monitor
	if monitor == "" {
		monitor = monitorOf(d.Config.NATSURL.Reveal())
	}
	if !strings.Contains(monitor, "://") {
		monitor = "http://" + monitor
	}
	var vars struct {
		JetStream struct {
			Config *struct {
				SyncAlways   bool          `json:"sync_always"`
				SyncInterval time.Duration `json:"sync_interval"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	if err := d.getJSON(ctx, strings.TrimRight(monitor, "/")+"/varz", &vars); err != nil {
		return []Finding{skipped(check, "it is not seen by clients, and the monitoring at "+monitor+" does not answer: see yourself that jetstream of the server's "+
			"configuration has sync_interval: always, or run this where the monitoring is reached, with --nats-monitor")}
	}
	config := vars.JetStream.Config
	switch {
	case config == nil:
		return []Finding{failed(check, "JetStream is not enabled", "add the block jetstream of ops/nats/nats.conf to the server's configuration")}
	case !config.SyncAlways:
		return []Finding{failed(check, fmt.Sprintf("messages are on disk only every %s: a power cut loses what was acknowledged meanwhile", config.SyncInterval),
			"set sync_interval: always in the block jetstream of the server's configuration and restart it")}
	}
	return []Finding{ok(check, "always: each message is on disk before it is acknowledged")}
}

// monitorOf is where a server's monitoring is by default.
func monitorOf(natsURL string) string {
	first, _, _ := strings.Cut(natsURL, ",")
	host := "127.0.0.1"
	if parsed, err := url.Parse(strings.TrimSpace(first)); err == nil && parsed.Hostname() != "" {
		host = parsed.Hostname()
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(8222))
}

func (d *doctor) getJSON(ctx context.Context, address string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime/2)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return json.NewDecoder(http.MaxBytesReader(nil, answer.Body, maxBody)).Decode(into)
}
