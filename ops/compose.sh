#!/bin/sh
# Runs Ashbridge as containers by docker-compose.yml: up, down, demo, demo-down, smoke. `make up` and so on call it.
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

# compose is docker compose with the settings of this call. Those of the demo and of smoke are in this script's environment,
# which Compose takes before any file.
compose() {
	[ "$kind" = real ] || set -- --profile demo "$@"
	docker compose --env-file "$file" "$@"
}

# value is a setting's in the file, as Compose reads it: without quotes, and without a comment behind it.
value() {
	sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*[=:][[:space:]]*//p" "$file" | tail -n 1 | tr -d '\r' |
		sed -e 's/^"\([^"]*\)".*$/\1/' -e t -e "s/^'\([^']*\)'.*\$/\1/" -e t -e 's/[[:space:]]#.*$//' -e 's/[[:space:]]*$//'
}

# setting is a setting's value as Compose sees it: the environment's, else that of the file, else the second argument.
setting() {
	if eval "[ -n \"\${$1+set}\" ]"; then
		eval "set -- \"\$$1\" \"\$2\""
	else
		set -- "$(value "$1")" "$2"
	fi
	printf '%s' "${1:-$2}"
}

# judge refuses settings that would reach no container without a word.
judge() {
	[ ! -e ashbridge.env ] || {
		say "ashbridge.env is not read: all settings are in .env. Move its lines there, and remove it." >&2
		exit 1
	}
	unknown=""
	for name in $(sed -n 's/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}\(ASHBRIDGE_[A-Za-z0-9_]*\)[[:space:]]*[=:].*/\2/p' "$file"); do
		grep -q "\${$name[:}]" docker-compose.yml || unknown="$unknown $name"
	done
	[ -z "$unknown" ] || {
		say "$file sets what no container takes:$unknown" "x-settings of docker-compose.yml lists what may be set." >&2
		exit 1
	}
}

# prepare builds the image and makes the secrets that are missing. The containers run as whoever calls this, to whom the
# secrets belong then; for root, who owns no process here, as the user 65532.
prepare() {
	[ -f "$file" ] || : >"$file"
	judge
	if [ -z "$(setting RUN_AS "")" ]; then
		run_as="$(id -u):$(id -g)"
		[ "$(id -u)" -ne 0 ] || run_as=65532:65532
		[ -z "$(tail -c 1 "$file")" ] || say "" >>"$file" # its last line has no end
		say "# The user and group of the containers; the secrets belong to them." "RUN_AS=$run_as" >>"$file"
	fi
	secrets=$(setting SECRETS_DIR ./secrets)
	own_secrets "$(setting RUN_AS "")"
	VERSION=$(git describe --tags --always --dirty 2>/dev/null || echo dev)
	export VERSION
	compose build migrate
	accounts=$secrets/nats-accounts.conf
	before=$(cksum "$accounts" 2>/dev/null || true)
	compose run --rm --no-deps secrets
	after=$(cksum "$accounts" 2>/dev/null || true)
}

# own_secrets gives the folder of the secrets, and what is in it, to the user of the containers, user or user:group.
own_secrets() {
	[ -d "$secrets" ] || mkdir -m 700 -p "$secrets"
	# shellcheck disable=SC2012 # stat has other flags on each system
	owner=$(ls -ldn "$secrets" | awk '{print $3}')
	[ "$owner" != "${1%%:*}" ] || return 0
	if [ "$(id -u)" -eq 0 ] && { [ -z "$(ls -A "$secrets")" ] || [ -f "$secrets/keyset.json" ]; }; then
		chown "$1" "$secrets"
		find "$secrets" -type f -exec chown "$1" {} +
	else
		say "ATTENTION: $secrets belongs to the user $owner, and the containers run as $1 (RUN_AS): they can read it only if" \
			"these are the same. sudo chown -R $1 $secrets" >&2
	fi
}

where() {
	say "" \
		"gateway     http://$(setting GATEWAY_LISTEN 127.0.0.1:8080)    token in $secrets/admin-token" \
		"NATS        nats://$(setting NATS_LISTEN 127.0.0.1:4222)    for job boards" \
		"Grafana     http://$(setting GRAFANA_LISTEN 127.0.0.1:3000)    user admin, password in $secrets/grafana-password" \
		"Prometheus  http://$(setting PROMETHEUS_LISTEN 127.0.0.1:9090)"
	if [ "$kind" = demo ]; then
		say "job board   http://$(setting BOARD_LISTEN 127.0.0.1:8070)" \
			"simulator   http://$(setting SIMULATOR_LISTEN 127.0.0.1:8090)/_sim/state" \
			"" "make demo-down stops it; what it stored stays in volumes, the secrets in $secrets." \
			"Its containers: docker compose --env-file .env --env-file ops/demo.env --profile demo ps"
		return
	fi
	case $(setting ASHBRIDGE_PUBLIC_URL "") in
	"") say "" "Ashby cannot reach it yet: set ASHBRIDGE_PUBLIC_URL in .env to its address behind your TLS proxy." ;;
	https:*)
		[ -n "$(setting ASHBRIDGE_TRUSTED_PROXIES "")" ] || say "" \
			"All callers look like your TLS proxy: set ASHBRIDGE_TRUSTED_PROXIES in .env, for a proxy on this machine to the first" \
			"address of $(setting FRONT_SUBNET 172.30.80.0/24)."
		;;
	esac
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
	[ -f "$file" ] || : >"$file"
	compose --profile setup --profile tools --profile demo down
}

# smoke has a project, settings, secrets, volumes and ports of its own, and leaves nothing behind but the image.
smoke() {
	need_engine
	command -v "${GO:-go}" >/dev/null || {
		say "make smoke needs Go on this machine, for the test that looks at the containers: https://go.dev/doc/install" >&2
		exit 1
	}
	work=$(mktemp -d)
	chmod 711 "$work" # the user of the containers has to get to the secrets
	file=$work/env
	export SECRETS_DIR="$work/secrets" COMPOSE_ENV_FILES="$file" # for the test, too
	trap 'compose --profile setup --profile tools down --volumes --timeout 20 || true; rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
	prepare
	RUN_AS=$(setting RUN_AS "")
	export RUN_AS
	compose up --detach --wait --wait-timeout 300 || {
		compose ps --all
		compose logs --tail 50
		exit 1
	}
	"${GO:-go}" test -count=1 -run '^TestSmoke$' ./internal/smoke -containers -secrets "$SECRETS_DIR" \
		-gateway "$GATEWAY_LISTEN" -nats "$NATS_LISTEN" -simulator "$SIMULATOR_LISTEN" -board "$BOARD_LISTEN" \
		-prometheus "$PROMETHEUS_LISTEN" -grafana "$GRAFANA_LISTEN"
}

# own takes the settings of a file over those of the environment and of .env: whatever is set there, the demo never meets
# the secrets and volumes of the real one.
own() {
	set -a
	# shellcheck disable=SC1090 # demo.env, smoke.env
	. "./ops/$1.env"
	set +a
}

kind=demo file=.env
case "${1:-}" in
up) kind=real; up ;;
down) kind=real; down ;;
demo) own demo; up ;;
demo-down) own demo; down ;;
smoke) own demo; own smoke; smoke ;;
*)
	say "usage: ops/compose.sh up|down|demo|demo-down|smoke" >&2
	exit 2
	;;
esac
