#!/bin/sh
# Makes sure that there is a C compiler, which Go's race detector needs. Prints nothing and succeeds when there is one;
# otherwise says what it installs and installs it with the system's package manager. With ASHBRIDGE_DRY_RUN=1 it only
# prints the commands that it would run.
set -eu
. "$(dirname "$0")/packages.sh"

# works succeeds when a compiler can make a program, C library and all.
works() {
	cc=${CC:-$(command -v cc || command -v gcc || command -v clang || true)}
	[ -n "$cc" ] || return 1
	out=$(mktemp)
	echo '#include <stdlib.h>
int main(void) { return 0; }' | $cc -x c -o "$out" - >/dev/null 2>&1
	status=$?
	rm -f "$out"
	return $status
}

works && exit 0
echo "There is no working C compiler. Go's race detector needs one, so it is installed now from the system's packages." >&2
if command -v apt-get >/dev/null 2>&1; then
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev
elif command -v dnf >/dev/null 2>&1; then
	as_root dnf install -y gcc glibc-devel
elif command -v apk >/dev/null 2>&1; then
	as_root apk add gcc musl-dev
elif command -v zypper >/dev/null 2>&1; then
	as_root zypper --non-interactive install gcc glibc-devel
elif command -v pacman >/dev/null 2>&1; then
	as_root pacman -S --noconfirm --needed gcc
else
	echo "No package manager was found that could install one: install gcc or clang yourself." >&2
	exit 1
fi
