#!/bin/sh
# Budgets of the code that no linter has: no file over 500 lines, no package-less helper names, no dead links in the
# documents.
set -eu
cd "$(dirname "$0")/.."
fail=0

for f in $(git ls-files --cached --others --exclude-standard '*.go'); do
	[ -f "$f" ] || continue
	n=$(wc -l <"$f")
	if [ "$n" -gt 500 ]; then
		echo "$f has $n lines: split it (the limit is 500)" >&2
		fail=1
	fi
	case "$f" in
	*/util/* | */utils/* | */common/* | */helpers/* | */models/* | */types/* | */mocks/*)
		echo "$f: a package is named after what it does, not util, common, helpers, models, types or mocks" >&2
		fail=1
		;;
	esac
	if grep -nE '(TODO|FIXME)' "$f" | grep -vE '#[0-9]+' >&2; then
		echo "$f: a TODO names its issue (#number)" >&2
		fail=1
	fi
done

for doc in $(git ls-files --cached --others --exclude-standard '*.md'); do
	dir=$(dirname "$doc")
	for link in $(grep -oE '\]\([^)#: ]+[)#]' "$doc" | sed 's/^](//; s/.$//'); do
		if [ ! -e "$dir/$link" ]; then
			echo "$doc links to $link, which does not exist" >&2
			fail=1
		fi
	done
done

exit $fail
