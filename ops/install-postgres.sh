#!/bin/sh
# Makes sure that PostgreSQL's programs are on this machine. Prints nothing and succeeds when they are; otherwise says
# what it installs and installs it with the system's package manager. With ASHBRIDGE_DRY_RUN=1 it only prints the
# commands that it would run.
set -eu
without_root=", or set ASHBRIDGE_DATABASE_URL to a server you have"
. "$(dirname "$0")/packages.sh"

# usable succeeds when a folder has initdb and postgres of at least version 15 side by side.
usable() {
	[ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
	major=$("$1/postgres" --version 2>/dev/null | sed -n 's/^[^0-9]*\([0-9][0-9]*\).*/\1/p')
	[ "${major:-0}" -ge 15 ]
}

# installed succeeds when the programs are in PG_BIN, on the PATH, or where packages put them. Ashbridge itself looks for
# them in the same places.
installed() {
	if [ -n "${PG_BIN:-}" ]; then
		usable "$PG_BIN" && return 0
		echo "PG_BIN names $PG_BIN, and initdb and postgres of version 15 or newer are not there: correct or unset it." >&2
		exit 1
	fi
	on_path=$(command -v initdb || true)
	# A link on the PATH leads to the folder that has all the programs.
	on_path=$(readlink -f "${on_path:-/nowhere/initdb}" 2>/dev/null || echo "${on_path:-/nowhere/initdb}")
	for dir in "${on_path%/*}" \
		/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/lib/postgresql[0-9]*/bin /usr/libexec/postgresql* \
		/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
		/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/*/bin; do
		usable "$dir" && return 0
	done
	return 1
}

# keep_cluster_from_starting tells Debian's packages to make no server of their own, which would take port 5432 and run
# beside ours for nothing. A choice that the machine's owner has made stays.
keep_cluster_from_starting() {
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		as_root mkdir -p /etc/postgresql-common
		as_root sh -c 'echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf'
	fi
}

installed && exit 0

echo "PostgreSQL 15 or newer is not installed. Ashbridge keeps its data in it, so it is installed now from the system's packages." >&2
if command -v apt-get >/dev/null 2>&1; then
	keep_cluster_from_starting
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
elif command -v dnf >/dev/null 2>&1; then
	as_root dnf install -y postgresql-server
elif command -v apk >/dev/null 2>&1; then
	as_root apk add postgresql
elif command -v zypper >/dev/null 2>&1; then
	as_root zypper --non-interactive install postgresql-server
elif command -v pacman >/dev/null 2>&1; then
	as_root pacman -S --noconfirm --needed postgresql
elif command -v brew >/dev/null 2>&1; then
	run brew install postgresql@17
else
	echo "No package manager was found that could install PostgreSQL: install version 15 or newer yourself and name the" \
		"folder of its programs in PG_BIN, or set ASHBRIDGE_DATABASE_URL to a server you have." >&2
	exit 1
fi

[ "${ASHBRIDGE_DRY_RUN:-}" = 1 ] && exit 0
if ! installed; then
	echo "The packages are installed, but brought no PostgreSQL 15 or newer to where it is looked for: take it from" \
		"https://www.postgresql.org/download/ and name the folder of its programs in PG_BIN." >&2
	exit 1
fi
