#!/bin/sh
# Usage: prune.sh CONF
#
# Deletes all old roots that are due, with what is nested in them: what the wipe, which must not hold the boot, leaves. And
# keeps room on the filesystem for the next wipe: see room.sh.
# CONF is that of wipe.sh. It can be stopped at any time and run again. Prints the name of each that it deleted, and
# writes the report /run/nixfleet/prune.report (or REPORT in CONF): when it begins, and when it ends. A rescue boot, whose wipe
# was skipped as wipe.report beside the report says, leaves everything as it is.
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/payload/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/payload/initrd/filesystem.sh
. "${0%/*}/filesystem.sh"
# shellcheck source=src/payload/initrd/old-roots.sh
. "${0%/*}/old-roots.sh"
# shellcheck source=src/payload/initrd/room.sh
. "${0%/*}/room.sh"
MOUNTPOINT=/run/nixfleet/prune REPORT=/run/nixfleet/prune.report
# shellcheck source=/dev/null
. "$1"
mounted='' pruned='' early='' due='' short='' outcome=failed reason=''

main() {
  trap finish EXIT
  trap 'outcome=stopped; exit 1' HUP INT TERM
  wiped=''
  read -r wiped 2>/dev/null <"${REPORT%/*}/wipe.report" || :
  [ "$wiped" != outcome=skipped ] || {
    outcome=skipped
    return
  }
  mountFilesystem
  [ ! -L old_roots ] || fail "old_roots is a link"
  readClock
  chooseDue 1000
  outcome=running
  writeReport >"$REPORT"
  outcome=failed
  deleteDueRoots
  left=$due why=${message:-they still exist}
  keepRoom
  [ -z "$due" ] || fail "$why"
  unmountFilesystem
  outcome=complete
}

# While the filesystem is short of room, snapshots of what persists are deleted, then old roots before they are due, the
# oldest first; and the reserve is made again. The newest stay, one at least.
keepRoom() {
  cutoff=$now
  [ "$KEEP_NEWEST" -gt 0 ] || KEEP_NEWEST=1
  while
    readRoom
    fillReserve || short="${short:+$short; }the reserve is incomplete"
    [ -n "$short" ] && deleteEarly
  do awaitCleaning; done
  [ -z "$short" ] || say "the filesystem is short of space: $short"
}

deleteEarly() {
  if deleteOldestState; then
    say "$state, a snapshot of what persists, is deleted: $short"
    return 0
  fi
  chooseDue 1000
  names=$due due=$left
  for name in $names; do
    deleteOldRoot "$name" || continue
    say "deleted the old root $name early, to make space: $short"
    early="$early$name
"
    return 0
  done
  return 1
}

fail() {
  show "$1"
  reason=$shown
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
  [ "$outcome" != failed ] || sayShown "cannot prune old roots: ${reason:=it stopped before finishing}"
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
  reportValue outcome "$outcome"
  reportValue reason "$reason"
  reportList pruned "$pruned"
  reportList early "$early"
  reportList left "$due"
  reportValue short "$short"
  echo end
}

main
