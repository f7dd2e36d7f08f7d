package main

import (
	"flag"
	"maps"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/compose"
)

// mistake is a change of a file, with a part of the sentence that must come of it.
type mistake struct{ name, old, new, want string }

// mistakes are those of the compose file that can be made beside others.
var mistakes = []mistake{
	{"a service is gone", "\n  notifier:\n", "\n  notify:\n", "there is no service notifier"},
	{"a new service", "\n  prometheus:\n    <<", "\n  redis: {image: \"redis:8.2.1\"}\n  prometheus:\n    <<", "say here what the new one is"},
	{"the simulator always runs", "    profiles: [demo]\n    command: [sim,", "    command: [sim,", "simulator is to be in the profile demo alone"},
	{"one notifier", "deploy: {replicas: 2,", "deploy: {replicas: 1,", "notifier has 1 replicas"},

	{"an unknown command", "command: [gateway]", "command: [gatewya]", `unknown command "gatewya"`},
	{"a command that is renamed", "command: [keys, init,", "command: [keys, initialise,", "secrets: [keys initialise"},
	{"an unknown flag", "--organization=northwind", "--organisation=northwind", "unknown flag"},
	{"arguments too many", "command: [migrate]", "command: [migrate, up]", `"up"`},
	{"another seed", "--seed=1", "--seed=2", "another organisation or seed"},
	{"an unknown variable", "ASHBRIDGE_HTTP_ADDR:", "ASHBRIDGE_HTTP_ADDRESS:", "ASHBRIDGE_HTTP_ADDRESS is not known"},
	{"a variable without a prefix", "      ASHBRIDGE_HTTP_ADDR:", "      LOG_LEVEL: debug\n      ASHBRIDGE_HTTP_ADDR:", "sets LOG_LEVEL, which nothing"},
	{"a value that cannot be", "${ASHBRIDGE_LOG_FORMAT:-json}", "${ASHBRIDGE_LOG_FORMAT:-xml}", `LOG_FORMAT is "xml"`},
	{"a variable that is needed", "  ASHBRIDGE_KEYSET_FILE: /run/secrets/keyset.json\n", "", "ASHBRIDGE_KEYSET_FILE is not set"},
	{"boards cannot log in", "      ASHBRIDGE_NATS_ISSUER_FILE: /run/secrets/nats-issuer\n", "", "no board can log in"},
	{"metrics on loopback", "ASHBRIDGE_ADMIN_ADDR: 0.0.0.0:9090", "ASHBRIDGE_ADMIN_ADDR: 127.0.0.1:9090", "where Prometheus does not find them"},
	{"another service's login", "{source: nats-url-syncer, target: nats-url}", "{source: nats-url-gateway, target: nats-url}", "syncer logs in at NATS as gateway"},
	{"services that differ", "[syncer]\n    environment:\n", "[syncer]\n    environment:\n      ASHBRIDGE_POLL_INTERVAL: 2h\n", "syncer has ASHBRIDGE_POLL_INTERVAL=2h"},
	{"a setting that nobody can set", "  ASHBRIDGE_TRUSTED_PROXIES: ${ASHBRIDGE_TRUSTED_PROXIES:-}\n", "", "gateway is not given ASHBRIDGE_TRUSTED_PROXIES"},
	{"settings from elsewhere", "    command: [gateway]\n", "    command: [gateway]\n    env_file: [{path: ashbridge.env, required: false}]\n", "gateway has a file of settings of its own"},
	{"an operator without the settings", "      <<: *settings\n      ASHBRIDGE_API_URL: http://gateway:8080\n      ASHBRIDGE_TOKEN_FILE: /secrets", "      ASHBRIDGE_API_URL: http://gateway:8080\n      ASHBRIDGE_TOKEN_FILE: /secrets", "cli is not given ASHBRIDGE_NATS_REPLICAS"},
	{"an operator who sees little", "/secrets/nats-url-admin", "/secrets/nats-url-notifier", "cli logs in at NATS as notifier"},
	{"an operator without the issuer", "      ASHBRIDGE_NATS_ISSUER_FILE: /secrets/nats-issuer\n", "", "cli lacks the issuer"},
	{"an operator who asks from outside", "ASHBRIDGE_API_URL: http://gateway:8080\n      ASHBRIDGE_TOKEN_FILE: /secrets", "ASHBRIDGE_API_URL: https://ashbridge.example.com\n      ASHBRIDGE_TOKEN_FILE: /secrets", "cli asks https://ashbridge.example.com"},
	{"an operator without a keyset", "      ASHBRIDGE_KEYSET_FILE: /secrets/keyset.json\n", "", "cli: configuration: ASHBRIDGE_KEYSET_FILE is not set"},
	{"the board's variable", "JOBBOARD_SUBSCRIBER_FILE:", "JOBBOARD_SUBSCRIBERS_FILE:", "the board has no flag subscribers-file"},
	{"the board looks elsewhere", "JOBBOARD_SUBSCRIBER_FILE: /var/lib/board/subscriber.json", "JOBBOARD_SUBSCRIBER_FILE: /var/lib/board/login.json", "where the board does not look"},
	{"an unexplained setting", "${SYNCERS:-2}", "${SYNCER_COUNT:-2}", "SYNCER_COUNT is not explained"},
	{"a setting under another name", "ASHBRIDGE_MODULES: ${ASHBRIDGE_MODULES", "ASHBRIDGE_MODULES: ${ASHBRIDGE_MODULS", "not handed on under its name"},

	{"a secret in the environment", "      PGDATA:", "      POSTGRES_PASSWORD: secret\n      PGDATA:", "secrets come from files"},
	{"a secret that is not given", "    secrets: [postgres-password]\n", "", "is not given that secret"},
	{"a secret too many", "    secrets: [database-url]\n    networks: [back]", "    secrets: [database-url, admin-token]\n    networks: [back]", "given the secret /run/secrets/admin-token and does not name it"},
	{"a secret that nobody makes", `/grafana-password"}`, `/grafana-pass"}`, "keys init` does not make"},
	{"all secrets in a service", "    volumes: [\"board:/var/lib/board:ro\"]", "    volumes: [\"board:/var/lib/board:ro\", \"${SECRETS_DIR:-./secrets}:/secrets\"]", "board sees all secrets"},
	{"the accounts are elsewhere", "target: /etc/nats/accounts.conf", "target: /etc/nats/users.conf", `nats finds "" at /etc/nats/accounts.conf`},

	{"root", "  user: ${RUN_AS:-65532:65532}\n", "", "runs as root"},
	{"a writable root", "  read_only: true\n", "", "may write to its root"},
	{"capabilities are kept", "  cap_drop: [ALL]\n", "", "drops the capabilities []"},
	{"a capability more", "    cap_add: [CHOWN]\n", "    cap_add: [CHOWN, NET_ADMIN]\n", "adds [CHOWN NET_ADMIN]"},
	{"new privileges", "no-new-privileges:true", "no-new-privileges:false", "not no-new-privileges"},
	{"the engine's socket", "      - ./ops/prometheus:/etc/prometheus:ro", "      - /var/run/docker.sock:/var/run/docker.sock", "which is not in ops"},
	{"the machine's network", "    network_mode: none\n    command: [keys", "    network_mode: host\n    command: [keys", "shares something with the machine"},
	{"root with a network", "    network_mode: none\n    entrypoint: [\"/bin/chown\"]", "    entrypoint: [\"/bin/chown\"]", "volumes runs as root: it is to have no network"},
	{"endless logs", "    options: {max-size: 10m, max-file: \"5\"}\n", "", "may fill the disk with its log"},
	{"no limit", "    deploy: {resources: {limits: {memory: 512M, pids: 256}}}\n\n  # Any number", "\n  # Any number", "gateway has no limit"},
	{"a limit that Go does not know", "limits: {memory: 1G, pids: 256}", "limits: {memory: 512M, pids: 256}", "prometheus has a GOMEMLIMIT"},
	{"it is not started again", "  restart: unless-stopped\n", "", `has the restart policy "", not`},
	{"a one-shot for ever", "    <<: [*once, *hardened]\n    image: ashbridge:local\n    build", "    <<: [*hardened]\n    image: ashbridge:local\n    build", `migrate has the restart policy "unless-stopped"`},
	{"no time to drain", "stop_grace_period: 20s", "stop_grace_period: 10s", "killed before it can have drained"},

	{"an image of any version", "nats:2.15.0-alpine3.22\n    entrypoint", "nats:latest\n    entrypoint", "runs nats:latest"},
	{"an image of a series", "prom/prometheus:v3.13.4", "prom/prometheus:v3", "runs prom/prometheus:v3"},
	{"ours from elsewhere", "  pull_policy: never # built by the service migrate\n", "", "looks for the image ashbridge:local elsewhere"},
	{"another Dockerfile", "dockerfile: ops/Dockerfile", "dockerfile: Dockerfile", "from ops/Dockerfile"},

	{"a path that is not there", "./ops/grafana/dashboards:", "./ops/grafana/boards:", "which is not in ops"},
	{"the dashboards are elsewhere", ":/var/lib/grafana/dashboards:ro", ":/var/lib/dashboards:ro", "grafana looks for dashboards at"},
	{"the repository is written", "nats.conf:/etc/nats/nats.conf:ro", "nats.conf:/etc/nats/nats.conf", "may write to"},
	{"another configuration", "command: [\"--config\", /etc/nats/compose.conf]", "command: [\"--config\", /etc/nats/server.conf]", "/etc/nats/server.conf"},
	{"monitoring that doctor does not reach", "/etc/nats/compose.conf]", "/etc/nats/nats.conf]", "has its monitoring at 127.0.0.1:8222"},
	{"data in the container", "      - nats:/var/lib/nats:nocopy\n", "", "not in a named volume"},
	{"data without a name", "volumes: [\"postgres:/var/lib/postgresql/data:nocopy\"]", "volumes: [\"/var/lib/postgresql/data\"]", "without a name"},
	{"data at the volume's top", "PGDATA: /var/lib/postgresql/data/pgdata", "PGDATA: /var/lib/postgresql/data", "at the top of its volume"},
	{"a volume of the image's owner", "prometheus:/prometheus:nocopy", "prometheus:/prometheus", "nocopy is missing"},
	{"a volume of root", " /volumes/board]", "]", "volumes runs"},
	{"a volume that nobody has", "\nvolumes:\n", "\nvolumes:\n  spare:\n", "nobody uses the volume spare"},
	{"a tmpfs without an end", "\"/tmp:mode=1777,size=16m\"", "/tmp", "tmpfs without a size"},
	{"a disk that fills", "      - --storage.tsdb.retention.size=8GB\n", "", "prometheus may fill the disk"},
	{"a memory that is too short", "retention.time=35d", "retention.time=15d", "forgets after 15 days"},
	{"another first page", "dashboards/overview.json", "dashboards/home.json", "home.json"},
	{"too few connections", "--max_connections=200", "--max_connections=100", "postgres takes 100 connections"},

	{"the database is published", "    networks: [back]\n    healthcheck:\n      # By TCP", "    networks: [back]\n    ports: [\"127.0.0.1:5432:5432\"]\n    healthcheck:\n      # By TCP", "postgres publishes 1 ports"},
	{"published to everybody", "${GRAFANA_LISTEN:-127.0.0.1:3000}", "${GRAFANA_LISTEN:-3000}", "grafana is published at"},
	{"another port", "127.0.0.1:8080}:8080\"]", "127.0.0.1:8080}:8081\"]", "gateway publishes its port 8081"},
	{"a port of several", "    command: [notifier]", "    command: [notifier]\n    ports: [\"127.0.0.1:9091:9090\"]", "notifier publishes 1 ports"},
	{"the database has a way out", "  back:\n    internal: true\n", "  back:\n", "internal network back alone"},
	{"a proxy without an address", "    ipam: {config: [{subnet: \"${FRONT_SUBNET:-172.30.80.0/24}\"}]}\n", "", "the network front has no fixed addresses"},
	{"nobody reaches it", "    networks: [back, front]\n    ports: [\"${NATS_LISTEN", "    networks: [back]\n    ports: [\"${NATS_LISTEN", "nats is published, and in internal networks alone"},
	{"no common network", "    networks: [front]\n    depends_on:\n      volumes: {condition: service_completed_successfully}\n      gateway", "    networks: [watch]\n    depends_on:\n      volumes: {condition: service_completed_successfully}\n      gateway", "connect has no network in common with gateway"},
	{"found twice", "networks: [back, watch]", "networks: [back, front, watch]", "it would find it 2 times"},

	{"it does not wait for the tables", "    migrate: {condition: service_completed_successfully}\n    postgres", "    postgres", "gateway does not wait for migrate"},
	{"it waits for ever", "nats: {condition: service_healthy}", "nats: {condition: service_completed_successfully}", "which it never is"},
	{"it does not wait for its volume", "    stop_grace_period: 60s\n    depends_on:\n      volumes: {condition: service_completed_successfully}\n    deploy: {resources: {limits: {memory: 1G, pids: 512}}}\n\n  # Its", "    stop_grace_period: 60s\n    deploy: {resources: {limits: {memory: 1G, pids: 512}}}\n\n  # Its", "postgres does not wait until its volume"},
	{"no health check", "    test: [\"CMD\", \"/ashbridge\", \"health\"]\n", "    test: [NONE]\n", "no whole health check"},
	{"a health check of a shell", "    test: [\"CMD\", \"/ashbridge\", \"health\"]\n", "    test: [\"CMD\", \"wget\", \"http://127.0.0.1:9090/readyz\"]\n", "with wget, which its image has not"},
	{"a health check elsewhere", "http://127.0.0.1:8070/healthz", "http://127.0.0.1:8080/healthz", "board checks its health at"},
	{"a health command that is not", "\"/ashbridge\", \"health\", \"--url\", \"http://127.0.0.1:8090", "\"/ashbridge\", \"healthz\", \"--url\", \"http://127.0.0.1:8090", `unknown command "healthz"`},
}

// unreadable are those with which Compose does not read the file.
var unreadable = []mistake{
	{"a name that is no setting of Compose", "    stop_grace_period: 60s", "    stop_grace_periode: 60s", "stop_grace_periode"},
	{"a duration that is none", "interval: 5s", "interval: 5 s", "time: unknown unit"},
	{"a fixed name", "    command: [syncer]", "    container_name: syncer\n    command: [syncer]", "container name must be unique"},
	{"a volume that is not declared", "\n  grafana:\n  nats:\n  postgres:\n  prometheus:\n", "\n  grafana:\n  nats:\n  postgres:\n", "undefined volume prometheus"},
	{"an unknown network", "networks: [watch]", "networks: [outside]", "undefined network outside"},
	{"an unknown dependency", "      connect: {condition: service_completed_successfully}\n", "      connected: {condition: service_completed_successfully}\n", "undefined service"},
}

// dockerMistakes are those of ops/Dockerfile.
var dockerMistakes = []mistake{
	{"an old compiler", "golang:1.26.8-bookworm", "golang:1.25.1-bookworm", "builds with Go 1.25"},
	{"any compiler", "golang:1.26.8-bookworm", "golang:bookworm", "which is not one version"},
	{"not static", "CGO_ENABLED=0 ", "", "lacks ENV CGO_ENABLED=0"},
	{"root", "USER 65532:65532\n", "", "lacks USER 65532:65532"},
	{"a shell", "distroless/static-debian13:nonroot", "distroless/base-debian13:debug", "not a distroless one"},
	{"a step in the image", "USER 65532", "RUN mkdir /data\nUSER 65532", "for which it would need a shell"},
	{"another program", `ENTRYPOINT ["/ashbridge"]`, `ENTRYPOINT ["/app"]`, `lacks ENTRYPOINT`},
	{"the board is not built", " ./examples/jobboard\n", "\n", "lacks go build"},
	{"something from elsewhere", "COPY . .", "ADD https://example.com/x .", "may come from elsewhere"},
}

// alone makes each mistake in a file of its own, in place of several in one: ten times the work.
var alone = flag.Bool("mistakes-alone", false, "make each mistake of the compose file alone")

// TestEachMistakeInTheComposeFileIsFound makes the mistakes, many at once, as reading the file takes longest. One that is
// not found in company is made alone, which decides.
func TestEachMistakeInTheComposeFileIsFound(t *testing.T) {
	t.Parallel()
	content, dockerfile, secrets := sources(t)
	demo, err := compose.Environ(repository, compose.DemoEnv)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(demo, func(name, _ string) bool { return strings.HasSuffix(name, "_LISTEN") }) // the file's own are judged
	check := func(content, dockerfile string) string {
		return strings.Join(faultsOf(t.Context(), content, dockerfile, secrets, demo), "\n")
	}
	together := 14
	if *alone {
		together = 1
	}
	left := mistakes
	for len(left) > 0 {
		text := content
		var made, later []mistake
		for _, m := range left {
			if !strings.Contains(content, m.old) {
				t.Fatalf("%s: the file has no %q any more: correct this table", m.name, m.old)
			}
			if len(made) < together && strings.Contains(text, m.old) {
				text, made = strings.Replace(text, m.old, m.new, 1), append(made, m)
			} else {
				later = append(later, m)
			}
		}
		found := check(text, dockerfile)
		for _, m := range made {
			if strings.Contains(found, m.want) {
				continue
			}
			if by := check(strings.Replace(content, m.old, m.new, 1), dockerfile); !strings.Contains(by, m.want) {
				t.Errorf("%s: nobody says %q; what is said is\n%s", m.name, m.want, by)
			}
		}
		left = later
	}
	for _, m := range unreadable {
		if found := check(strings.Replace(content, m.old, m.new, 1), dockerfile); !strings.Contains(found, m.want) {
			t.Errorf("%s: nobody says %q; what is said is\n%s", m.name, m.want, found)
		}
	}
	for _, m := range dockerMistakes {
		d := &deployment{root: repository, dockerfile: strings.Replace(dockerfile, m.old, m.new, 1)}
		if d.checkDockerfile(); !strings.Contains(strings.Join(d.faults, "\n"), m.want) {
			t.Errorf("%s: nobody says %q; what is said is\n%s", m.name, m.want, strings.Join(d.faults, "\n"))
		}
	}
}
