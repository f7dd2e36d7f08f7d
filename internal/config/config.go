// Package config reads the configuration of every service from ASHBRIDGE_* variables and command-line flags, once, at
// the start. It is strict: a variable that it does not know is a fault, and all faults are reported together, each with
// a sentence that says what to set. Secrets may come from files and never print.
package config

import (
	"log/slog"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

// Prefix begins the name of every variable.
const Prefix = "ASHBRIDGE_"

// Config is everything that can be set. The tag env is a variable's name after Prefix; the flag is the same name in
// kebab case. A field of type ashby.Secret or URL can also be read from the file that its name with _FILE gives. An
// empty variable counts as not set.
type Config struct {
	HTTPAddr  string `env:"HTTP_ADDR" envDefault:"127.0.0.1:8080" help:"address of the public API and the webhooks"`
	AdminAddr string `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"address of metrics and health checks; keep it private"`
	// PublicURL has no slash at its end.
	PublicURL  string       `env:"PUBLIC_URL" help:"the address under which Ashby reaches this service, for webhook URLs"`
	AdminToken ashby.Secret `env:"ADMIN_TOKEN" help:"bearer token of the API, at least 16 characters"`
	// TrustedProxies are what stands before the gateway; see Proxies.
	TrustedProxies []string `env:"TRUSTED_PROXIES" help:"addresses or networks of the proxies before the gateway, whose X-Forwarded-For is believed; none where empty"`

	// APIURL has no slash at its end. Address says what is used where it is empty, and Bearer what stands in for Token.
	APIURL string       `env:"API_URL" help:"the gateway's address for commands; where empty PUBLIC_URL, else that of HTTP_ADDR"`
	Token  ashby.Secret `env:"TOKEN" help:"API token that commands use, ADMIN_TOKEN where empty"`

	// DataDir defaults to /var/lib/ashbridge for root, else to ashbridge in the user's folder for data.
	DataDir     string `env:"DATA_DIR" help:"folder of the managed Postgres, the embedded NATS and the keyset"`
	KeysetFile  string `env:"KEYSET_FILE" help:"file with the keys that seal employers' and endpoints' secrets"`
	DatabaseURL URL    `env:"DATABASE_URL" help:"PostgreSQL to use, as postgres://user@host/database?sslmode=verify-full"`
	// DatabaseMaxConns bounds one process's connections; the sum over all processes must stay under the server's limit.
	DatabaseMaxConns int    `env:"DATABASE_MAX_CONNS" envDefault:"20" help:"most connections to PostgreSQL of this process"`
	PGBin            string `env:"PG_BIN" help:"folder with PostgreSQL's programs, for the managed one"`

	NATSURL       URL    `env:"NATS_URL" help:"NATS to use, as nats://host:4222, several with commas between them"`
	NATSAddr      string `env:"NATS_ADDR" envDefault:"127.0.0.1:4222" help:"address on which the embedded NATS listens"`
	NATSCredsFile string `env:"NATS_CREDS_FILE" help:"NATS credentials file of this service"`
	// NATSReplicas is 1, 3 or 5.
	NATSReplicas int `env:"NATS_REPLICAS" envDefault:"1" help:"how many servers of a NATS cluster keep each stream: 1, 3 or 5; the same for all services"`
	// NATSIssuer is the seed of an account key, NATSPublicURL has no user in it.
	NATSIssuer    ashby.Secret `env:"NATS_ISSUER" help:"seed of the key that lets job boards in at NATS; ashbridge keys issuer makes one"`
	NATSPublicURL string       `env:"NATS_PUBLIC_URL" help:"the address under which job boards reach NATS, that of NATS_URL where empty"`

	JobsMaxGiB int `env:"JOBS_MAX_GIB" envDefault:"4" help:"most room of the stream JOBS at NATS in GiB, the same for all services; a full one takes no event"`

	// AshbyURL has no slash at its end.
	AshbyURL          string        `env:"ASHBY_URL" envDefault:"https://api.ashbyhq.com" help:"address of Ashby's API"`
	AllowPrivateAshby bool          `env:"ALLOW_PRIVATE_ASHBY" envDefault:"false" help:"let ASHBY_URL be a private or plain address: a simulator"`
	PollInterval      time.Duration `env:"POLL_INTERVAL" envDefault:"1h" help:"how often each employer is compared with Ashby, at least 1m"`
	RequestsPerMinute int           `env:"REQUESTS_PER_MINUTE" envDefault:"900" help:"most requests to Ashby for one key; Ashby allows 1000"`
	Modules           []string      `env:"MODULES" envDefault:"jobs" help:"what may be read of an employer who agrees: jobs, candidates, interviews, offers, hiring_process, organization, approvals"`
	RecordEvents      bool          `env:"RECORD_EVENTS" envDefault:"false" help:"publish changes of all mirrored records on the stream RECORDS"`
	LeaseTTL          time.Duration `env:"LEASE_TTL" envDefault:"15s" help:"how long a dead process keeps its work from others"`

	AllowPrivateEndpoints bool `env:"ALLOW_PRIVATE_ENDPOINTS" envDefault:"false" help:"let webhook endpoints be plain http or private addresses: a demo, tests"`

	MetricsConnections int `env:"METRICS_CONNECTIONS" envDefault:"200" help:"how many employers have metrics of their own; all others are counted together"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" help:"text or json"`

	// Warnings are not set: they say where secrets can be read by others. The command tells of them.
	Warnings []Exposure
}

// Exposure is a secret that others on this machine can read.
type Exposure struct {
	// Found says how, and Do what to do about it.
	Found, Do string
}

// String is both in a line.
func (e Exposure) String() string { return e.Found + ": " + e.Do }

// Needs says which settings without a default a service cannot do without.
type Needs uint

// The settings that can be needed.
const (
	NeedDatabaseURL Needs = 1 << iota
	NeedNATSURL
	NeedKeyset
	NeedAdminToken
	NeedPublicURL
	NeedToken
)

// What each command needs.
const (
	Up       Needs = 0
	Migrate        = NeedDatabaseURL
	Notifier       = NeedDatabaseURL | NeedNATSURL | NeedKeyset
	Syncer         = NeedDatabaseURL | NeedNATSURL | NeedKeyset
	Gateway        = NeedDatabaseURL | NeedNATSURL | NeedKeyset | NeedAdminToken | NeedPublicURL

	EventsTail   = NeedNATSURL
	EventsVerify = NeedDatabaseURL | NeedNATSURL
	// Client is what a command needs that asks the gateway.
	Client = NeedToken

	KeysRotate = NeedDatabaseURL | NeedKeyset
	Doctor     = NeedDatabaseURL | NeedNATSURL | NeedKeyset
)
