#!/bin/sh
# Makes sure that there is a Chromium or Chrome, in which the tests look at the example job board. Prints nothing and
# succeeds when there is one; otherwise says what it installs and installs it with the system's package manager. With
# ASHBRIDGE_DRY_RUN=1 it only prints the commands that it would run.
set -eu
without_root=", or name a browser you have in CHROME_BIN"
. "$(dirname "$0")/packages.sh"

# usable succeeds when a browser can at least say its version: what some packages install is a stub that cannot.
usable() {
	command -v "$1" >/dev/null 2>&1 && "$1" --version >/dev/null 2>&1
}

# installed succeeds when the browser is in CHROME_BIN, on the PATH, or where macOS keeps it. The tests look for it in the
# same places.
installed() {
	if [ -n "${CHROME_BIN:-}" ]; then
		usable "$CHROME_BIN" && return 0
		echo "CHROME_BIN names $CHROME_BIN, which is no browser that runs: correct or unset it." >&2
		exit 1
	fi
	for browser in chromium chromium-browser google-chrome google-chrome-stable \
		"/Applications/Chromium.app/Contents/MacOS/Chromium" "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
		usable "$browser" && return 0
	done
	return 1
}

installed && exit 0

echo "There is no Chromium or Chrome. The tests look at the example job board in one, so it is installed now from the system's packages." >&2
if command -v apt-get >/dev/null 2>&1; then
	package=chromium
	# On Ubuntu the package of that name does not exist; this one installs a snap.
	grep -q '^ID=ubuntu' /etc/os-release 2>/dev/null && package=chromium-browser
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"
elif command -v dnf >/dev/null 2>&1; then
	as_root dnf install -y chromium
elif command -v apk >/dev/null 2>&1; then
	as_root apk add chromium
elif command -v zypper >/dev/null 2>&1; then
	as_root zypper --non-interactive install chromium
elif command -v pacman >/dev/null 2>&1; then
	as_root pacman -S --noconfirm --needed chromium
elif command -v brew >/dev/null 2>&1; then
	run brew install --cask chromium
else
	echo "No package manager was found that could install a browser: install Chromium or Chrome yourself, and name it in" \
		"CHROME_BIN where it is not on the PATH." >&2
	exit 1
fi

[ "${ASHBRIDGE_DRY_RUN:-}" = 1 ] && exit 0
if ! installed; then
	echo "The packages are installed, but brought no browser that runs (a snap does not run everywhere): install Google" \
		"Chrome from https://www.google.com/chrome/ or another Chromium, and name it in CHROME_BIN." >&2
	exit 1
fi
