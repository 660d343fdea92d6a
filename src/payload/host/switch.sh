#!/bin/sh
# Usage: switch.sh FOLDER
#
# Makes the running host what a closure in its store declares, as far as that is safe while others run. The next boot does the
# rest. switch-start.sh runs it as a unit of its own, which ends with switch-end.sh. FOLDER, which only root can enter, holds
# the steps and what they were planned from:
#   closure    the store path
#   list       a line for each step, see src/plan/switch-list.ts
#   made       lines of tmpfiles.d(5), each behind the path of the entry that it is for
#   closures   those whose files may be on this root, the newest last
#   placed     what is placed on this root, as in placed.list
#   confirm    how many seconds it waits for `nixfleet confirm` before it goes back; 0: it does not wait
# Prints what it does. If a step fails, the others go on and the exit code is 1; running it again continues.
#
# Users and services run meanwhile. So it places, writes and removes nothing where somebody but root can change a folder above,
# and copies nothing: the next boot carries over what a newly declared path holds.
set -eu
here=${0%/*} folder=$1
# shellcheck source=src/payload/host/switch-run.sh
. "$here/switch-run.sh"

main() {
  takeTurn
  report running
  # A switch that may go back adds no generation before it is confirmed, so a crash boots what ran before.
  [ "$confirm" -gt 0 ] || keep || exit "$REFUSED"
  [ ! -e /etc/nixfleet/state.sh ] || sh /etc/nixfleet/state.sh switch "$closure" ||
    complain "cannot take a snapshot of the persisted data before the switch"
  : >"$folder/begun"
  # From here on files of both closures may be there.
  { grep -Fxv -e "$closure" "$folder/closures" || :; } | cat - "$folder/closure" >"$folder/both"
  writeWhole "$folder/both" "$RECORD"
  [ -e "$PLACED" ] || writeWhole "$folder/placed" "$PLACED"
  verb=stop
  eachLine list stop changeUnit
  eachLine list unplace takeAway
  eachLine list place place
  eachLine list postpone postpone
  eachLine list write writeFile
  eachLine list remove removeFile
  readUnitsAgain list
  for verb in restart start; do eachLine list "$verb" changeUnit; done
  [ "$confirm" -eq 0 ] || waitForConfirmation
  [ -z "$failed" ] || exit 1
  writeWhole "$folder/closure" "$RECORD"
}

# Holds the lock, and refuses if the host changed since the plan was made.
takeTurn() {
  (umask 077 && : >>"$LOCK")
  exec 9<>"$LOCK"
  flock --nonblock 9 || {
    read -r pid <"$LOCK" || :
    refuse "another switch of this host is running${pid:+, as process $pid}: wait for its end, and run the command again"
  }
  printf '%s\n' "$$" >"$LOCK"
  if isOther "$RECORD" "$folder/closures" || isOther "$PLACED" "$folder/placed"; then
    refuse "this host was switched by somebody else meanwhile: run the command again"
  fi
}

isOther() { [ -e "$1" ] && ! cmp -s -- "$1" "$2"; }

# refuse MESSAGE: nothing was changed.
refuse() {
  printf 'nixfleet: %s\n' "$1" >&2
  exit "$REFUSED"
}

# From here on it does not go back.
keep() {
  [ ! -e /etc/nixfleet/generations.conf ] || sh "$closure/root/etc/nixfleet/add-generation.sh" "$closure" || return 1
  : >"$folder/kept"
}

# The confirmation must come over the changed network, so that gets time to change first.
waitForConfirmation() {
  settle
  report waiting
  left=$confirm
  while [ ! -e "$folder/confirmed" ]; do
    [ "$left" -gt 0 ] || {
      complain "nobody confirmed it in $confirm s"
      exit 1
    }
    sleep 1
    left=$((left - 1))
  done
  say "it is confirmed"
  keep || exit 1
}

# Waits for systemd's jobs, half a minute at most, and gives the network five seconds to change.
settle() {
  waited=0
  while [ "$waited" -lt 30 ] && [ -n "$(systemctl list-jobs --no-legend 2>/dev/null)" ]; do
    sleep 1
    waited=$((waited + 1))
  done
  sleep "${SETTLE:-5}"
}

main
