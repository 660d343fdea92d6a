#!/bin/sh
# Usage: prune.sh CONF
#
# Deletes all old roots that are due, with what is nested in them: what the wipe, which must not hold the boot, leaves.
# CONF is that of wipe.sh. It can be stopped at any time and run again. Prints the name of each that it deleted, and
# writes the report /run/nixfleet/prune.json (or REPORT in CONF): at its begin, and at its end. A rescue boot, whose wipe
# was skipped as wipe.json beside the report says, leaves everything as it is.
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/initrd/filesystem.sh
. "${0%/*}/filesystem.sh"
# shellcheck source=src/initrd/old-roots.sh
. "${0%/*}/old-roots.sh"
MOUNTPOINT=/run/nixfleet/prune REPORT=/run/nixfleet/prune.json
# shellcheck source=/dev/null
. "$1"
mounted='' pruned='' due='' outcome=failed reason=''

main() {
  trap finish EXIT
  trap 'outcome=stopped; exit 1' HUP INT TERM
  wiped=''
  read -r wiped 2>/dev/null <"${REPORT%/*}/wipe.json" || :
  case $wiped in '{"outcome":"skipped"'*)
    outcome=skipped
    return
    ;;
  esac
  mountFilesystem
  [ ! -L old_roots ] || fail "old_roots is a link"
  readClock
  chooseDue 1000
  outcome=running
  writeReport >"$REPORT"
  outcome=failed
  deleteDueRoots
  [ -z "$due" ] || fail "${message:-they are still there}"
  unmountFilesystem
  outcome=complete
}

fail() {
  reason=$1
  exit 1
}

finish() {
  trap '' HUP INT TERM
  trap - EXIT
  set +e
  if [ -n "$mounted" ]; then
    keepLeft
    cd /
    umount -- "$MOUNTPOINT"
  fi
  printf %s "$pruned"
  [ "$outcome" != failed ] || say "old roots cannot be pruned: ${reason:=it ended before its end}"
  writeReport >"$REPORT"
  case $outcome in complete | skipped) exit 0 ;; *) exit 1 ;; esac
}

# What is left of `due`, also when this was stopped halfway.
keepLeft() {
  names=$due due=''
  for name in $names; do
    ! exists "old_roots/$name" || due="$due$name
"
  done
}

writeReport() {
  printf '{"outcome":"%s","reason":' "$outcome"
  jsonString "$reason"
  printf ',"pruned":'
  jsonLines "$pruned"
  printf ',"left":'
  jsonLines "$due"
  printf '}\n'
}

main
