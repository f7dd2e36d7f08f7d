#!/bin/sh
# Runs Ashbridge as containers by docker-compose.yml: up, demo, down, smoke. `make up` and so on call it.
set -eu
cd "$(dirname "$0")/.."

# say prints each argument in a line of its own.
say() { printf '%s\n' "$@"; }

need_engine() {
	docker compose version >/dev/null 2>&1 || {
		say "Docker with Compose v2 is not installed: https://docs.docker.com/engine/install/" \
			"Without it there are make run, and make smoke-local for the same services as plain processes." >&2
		exit 1
	}
	docker info >/dev/null 2>&1 || {
		say "Docker's engine does not answer: is it running, and may $(id -un) use it?" >&2
		exit 1
	}
}

# compose is docker compose with the settings of this call; real is for employers of real Ashby.
real() { docker compose --env-file .env "$@"; }
demo() { docker compose --env-file .env --env-file ops/demo.env --profile demo "$@"; }
compose() { "$kind" "$@"; }

# setting is a setting's value as Compose sees it: the environment's, else that of the files, of which the last one wins.
setting() {
	eval "value=\${$1:-}"
	if [ -z "$value" ]; then
		settings=$(cat .env)
		[ "$kind" = real ] || settings=$(cat .env ops/demo.env)
		value=$(printf '%s\n' "$settings" | sed -n "s/^$1=//p" | tail -n 1)
	fi
	printf '%s' "${value:-$2}"
}

# prepare builds the image and makes the secrets that are missing. The containers run as whoever calls this, to whom the
# secrets belong then; for root, who owns no process here, as the user 65532.
prepare() {
	[ -f .env ] || : >.env
	if [ -z "$(setting RUN_AS "")" ]; then
		run_as="$(id -u):$(id -g)"
		[ "$(id -u)" -ne 0 ] || run_as=65532:65532
		say "# The user and group of the containers; the secrets belong to them." "RUN_AS=$run_as" >>.env
	fi
	secrets=$(setting SECRETS_DIR ./secrets)
	if [ ! -d "$secrets" ]; then
		mkdir -m 700 -p "$secrets"
		[ "$(id -u)" -ne 0 ] || chown "$(setting RUN_AS "")" "$secrets"
	fi
	VERSION=$(git describe --tags --always --dirty 2>/dev/null || echo dev)
	export VERSION
	compose build migrate
	accounts=$secrets/nats-accounts.conf
	before=$(cksum "$accounts" 2>/dev/null || true)
	compose run --rm --no-deps secrets
	after=$(cksum "$accounts" 2>/dev/null || true)
}

where() {
	secrets=$(setting SECRETS_DIR ./secrets)
	say "" \
		"gateway     http://$(setting GATEWAY_LISTEN 127.0.0.1:8080)    token in $secrets/admin-token" \
		"NATS        nats://$(setting NATS_LISTEN 127.0.0.1:4222)    for job boards" \
		"Grafana     http://$(setting GRAFANA_LISTEN 127.0.0.1:3000)    user admin, password in $secrets/grafana-password" \
		"Prometheus  http://$(setting PROMETHEUS_LISTEN 127.0.0.1:9090)"
	if [ "$kind" = demo ]; then
		say "job board   http://$(setting BOARD_LISTEN 127.0.0.1:8070)" \
			"simulator   http://$(setting SIMULATOR_LISTEN 127.0.0.1:8090)/_sim/state"
	elif [ -z "$(setting ASHBRIDGE_PUBLIC_URL "")" ]; then
		say "" "Ashby cannot reach it yet: set ASHBRIDGE_PUBLIC_URL in .env to its address behind your TLS proxy."
	fi
	say "" "make down stops it; what it stored stays in volumes, the secrets in $secrets: back both up."
}

up() {
	need_engine
	prepare
	if [ -n "$before" ] && [ "$before" != "$after" ]; then
		# A running container keeps the file that it was started with.
		say "This version has other accounts at NATS: it is restarted."
		compose restart nats
	fi
	compose up --detach --wait --wait-timeout 300
	where
}

down() {
	need_engine
	[ -f .env ] || : >.env
	real --profile setup --profile tools down
	demo --profile setup --profile tools down
}

# smoke has a project, secrets, volumes and ports of its own, and leaves nothing behind but the image.
smoke() {
	need_engine
	work=$(mktemp -d)
	chmod 711 "$work" # the user of the containers has to get to the secrets
	export COMPOSE_PROJECT_NAME=ashbridge-smoke SECRETS_DIR="$work/secrets" \
		GATEWAY_LISTEN=127.0.0.1:18080 NATS_LISTEN=127.0.0.1:14222 GRAFANA_LISTEN=127.0.0.1:13000 \
		PROMETHEUS_LISTEN=127.0.0.1:19090 BOARD_LISTEN=127.0.0.1:18070 SIMULATOR_LISTEN=127.0.0.1:18090
	trap 'compose --profile setup down --volumes --timeout 20 || true; rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
	prepare
	compose up --detach --wait --wait-timeout 300 || {
		compose ps --all
		compose logs --tail 50
		exit 1
	}
	"${GO:-go}" test -count=1 -run '^TestSmoke$' ./internal/smoke -containers -secrets "$SECRETS_DIR" \
		-gateway "$GATEWAY_LISTEN" -nats "$NATS_LISTEN" -simulator "$SIMULATOR_LISTEN" -board "$BOARD_LISTEN" \
		-prometheus "$PROMETHEUS_LISTEN" -grafana "$GRAFANA_LISTEN"
}

kind=demo
case "${1:-}" in
up) kind=real && up ;;
demo) up ;;
down) down ;;
smoke) smoke ;;
*)
	say "usage: ops/compose.sh up|demo|down|smoke" >&2
	exit 2
	;;
esac
