#!/bin/sh
# Usage: prune.sh CONF
#
# Deletes all old roots that are due, with what is nested in them: what the wipe, which must not hold the boot, leaves.
# CONF is that of wipe.sh. It can be stopped at any time and run again. Prints the name of each that it deleted.
set -eu
export LC_ALL=C
# shellcheck source=src/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/initrd/filesystem.sh
. "${0%/*}/filesystem.sh"
# shellcheck source=src/initrd/old-roots.sh
. "${0%/*}/old-roots.sh"
# shellcheck source=/dev/null
. "$1"
MOUNTPOINT=/run/nixfleet/prune.$$ mounted='' pruned=''

fail() {
  say "old roots cannot be pruned: $1"
  exit 1
}

trap '[ -z "$mounted" ] || unmountFilesystem' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p /run/nixfleet
mountFilesystem
[ ! -L old_roots ] || fail "old_roots is a link"
readClock
deleteDueRoots
for name in $pruned; do printf '%s\n' "$name"; done
unmountFilesystem
[ -z "$due" ]
