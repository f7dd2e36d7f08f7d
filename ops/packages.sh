# Sourced by the install scripts: running commands as root, or only printing them with ASHBRIDGE_DRY_RUN=1.

# run executes a command, or prints it in a dry run.
run() {
	if [ "${ASHBRIDGE_DRY_RUN:-}" = 1 ]; then
		echo "$*"
	else
		"$@"
	fi
}

# as_root runs a command as root; $without_root is the sentence for those who cannot.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		run "$@"
	elif command -v sudo >/dev/null 2>&1; then
		run sudo "$@"
	else
		echo "Installing it needs root: run \`$*\` as root${without_root:-}." >&2
		exit 1
	fi
}
