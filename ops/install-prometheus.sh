#!/bin/sh
# Makes sure that the programs prometheus and promtool are there, with which the tests check the alerting rules and run
# the dashboards' queries. Prints nothing and succeeds when they are; otherwise says what it installs and takes it from
# the system's packages. No daemon is started and nothing listens: Debian's package would start a server on port 9090,
# so it is only unpacked, into a folder of ours. With ASHBRIDGE_DRY_RUN=1 it only prints the commands that it would run.
set -eu
without_root=", or name the folder of programs that you have in PROMETHEUS_BIN"
. "$(dirname "$0")/packages.sh"

# What is unpacked instead of installed lies here. The tests look in the same place (internal/local/localtest).
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ashbridge/prometheus

# usable succeeds when a folder has both programs, of at least version 2.42, the one of Debian 12.
usable() {
	[ -x "$1/prometheus" ] && [ -x "$1/promtool" ] || return 1
	"$1/promtool" --version 2>&1 | sed -n 's/^promtool, version v\{0,1\}\([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | {
		read -r major minor || exit 1
		[ "$major" -gt 2 ] || { [ "$major" -eq 2 ] && [ "$minor" -ge 42 ]; }
	}
}

# installed succeeds when the programs are in PROMETHEUS_BIN, on the PATH, where packages put them, or in our folder.
installed() {
	if [ -n "${PROMETHEUS_BIN:-}" ]; then
		usable "$PROMETHEUS_BIN" && return 0
		echo "PROMETHEUS_BIN names $PROMETHEUS_BIN, and prometheus and promtool of version 2.42 or newer are not there:" \
			"correct or unset it." >&2
		exit 1
	fi
	on_path=$(command -v promtool || true)
	for dir in "${on_path%/*}" /usr/bin /usr/local/bin /opt/homebrew/bin /home/linuxbrew/.linuxbrew/bin "$cache/usr/bin"; do
		usable "$dir" && return 0
	done
	return 1
}

# unpack takes the package of Debian or Ubuntu and unpacks it into our folder, as whoever runs this. The programs need
# nothing but the C library; what the package depends on besides belongs to its pages. Where the lists of packages are
# missing or old, they are fetched first.
unpack() {
	if [ "${ASHBRIDGE_DRY_RUN:-}" = 1 ]; then
		echo "apt-get download prometheus"
		echo "dpkg -x prometheus_*.deb $cache"
		return
	fi
	download=$(mktemp -d)
	trap 'rm -rf "$download"' EXIT
	chmod 755 "$download"
	(cd "$download" && apt-get download -qq prometheus 2>/dev/null) || {
		as_root env DEBIAN_FRONTEND=noninteractive apt-get update
		(cd "$download" && apt-get download prometheus)
	}
	dpkg -x "$download"/prometheus_*.deb "$download/unpacked"
	rm -rf "$cache"
	mkdir -p "$(dirname "$cache")"
	mv "$download/unpacked" "$cache"
}

installed && exit 0

echo "Prometheus 2.42 or newer is not installed. The tests check the alerting rules with its programs, so they are taken now" \
	"from the system's packages. No server is started." >&2
if command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1; then
	unpack
elif command -v dnf >/dev/null 2>&1; then
	as_root dnf install -y golang-github-prometheus
elif command -v apk >/dev/null 2>&1; then
	as_root apk add prometheus
elif command -v zypper >/dev/null 2>&1; then
	as_root zypper --non-interactive install golang-github-prometheus-prometheus
elif command -v pacman >/dev/null 2>&1; then
	as_root pacman -S --noconfirm --needed prometheus
elif command -v brew >/dev/null 2>&1; then
	run brew install prometheus
else
	echo "No package manager was found that could install Prometheus: take version 2.42 or newer from" \
		"https://prometheus.io/download/ and name the folder of its programs in PROMETHEUS_BIN." >&2
	exit 1
fi

[ "${ASHBRIDGE_DRY_RUN:-}" = 1 ] && exit 0
if ! installed; then
	echo "The packages are there, but brought no Prometheus 2.42 or newer that runs: take one from" \
		"https://prometheus.io/download/ and name the folder of its programs in PROMETHEUS_BIN." >&2
	exit 1
fi
