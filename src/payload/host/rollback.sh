#!/bin/sh
# Usage: nixfleet rollback [NUMBER | newest] [--with-state [--yes]]
# Chooses the generation that boots from now on, until the next one is installed: by default the newest before this one
# that has proved itself.
#
# `newest` takes the choice back. Nothing changes before the next boot. --with-state takes back what persists, too: to the
# snapshot of when that generation ran last. It lists what that replaces, and does it with --yes. See take-back.sh.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  openGenerations "$0" "$@"
  chosen='' withState='' yes=''
  for word; do
    case $word in
      --with-state) withState=yes ;;
      --yes) yes=yes ;;
      *)
        [ -z "$chosen" ] || usage
        chosen=$word
        ;;
    esac
  done
  case $chosen,$withState,$yes in newest,yes,* | *,,yes) usage ;; esac
  readNumbers
  onEachEsp systemdBootRenew
  systemdBootAlike
  case $chosen in
    newest) chosen='' ;;
    '') findPrevious ;;
    *[!0-9]*) usage ;;
    *) [ -e "$STATE/generations/$chosen" ] || fail "there is no generation $chosen; run \`nixfleet generations\` to list them" ;;
  esac
  if [ -n "$chosen" ]; then
    readGeneration "$chosen"
    [ -e "$NIX/store/${closure##*/}/cmdline" ] || fail "the closure of generation $chosen is gone: $closure"
    readPackages "$closure"
    [ -e "$NIX/store/$packages/vmlinuz" ] || fail "the packages of generation $chosen are gone: /nix/store/$packages"
    readState "$chosen"
    case $state in
      'no boot entry') fail "generation $chosen has no boot entry, because its installation was interrupted" ;;
      'passed over') printf 'nixfleet: generation %s has failed to boot before\n' "$chosen" >&2 ;;
      'not proved'*) printf 'nixfleet: generation %s has not come up yet\n' "$chosen" >&2 ;;
    esac
  fi
  if [ -n "$withState" ]; then
    orderState
  elif [ -e "${RUNTIME:-/run/nixfleet}/ordered" ]; then
    # Only a boot's own order is for the next one.
    /bin/sh "$here/state.sh" withdraw
  fi
  onEachEsp systemdBootDefault "$chosen"
  [ -z "$GRUB" ] || grubWrite "$chosen"
  if [ -n "$chosen" ]; then
    echo "the next boot is generation $chosen of $date; to undo this, run: nixfleet rollback newest"
  else
    echo "the next boot is the newest generation that works"
  fi
}

usage() { fail "usage: nixfleet rollback [NUMBER | newest] [--with-state [--yes]]"; }

# The order is there before the generation is chosen: it is for a boot of that alone, so of the two no cut of the power leaves
# the one that would be wrong without the other.
orderState() {
  /bin/sh "$here/state.sh" lost "$closure"
  echo "This is replaced when generation $chosen boots, with all that is written until then. It stays, as a snapshot: nixfleet state"
  [ -n "$yes" ] || fail "nothing is changed yet; to do it, run: nixfleet rollback $chosen --with-state --yes"
  /bin/sh "$here/state.sh" order "$closure"
}

# The newest good one before that which runs; where none of them runs, before the newest.
findPrevious() {
  readRunning
  now=$(printf '%s\n' "$numbers" | tail -n 1)
  for number in $numbers; do
    readGeneration "$number"
    [ "$closure" != "$running" ] || now=$number # the same closure may be several: the newest of them
  done
  for number in $numbers; do
    [ "$number" -lt "$now" ] || break
    readState "$number"
    [ "$state" != good ] || chosen=$number
  done
  [ -n "$chosen" ] || fail "no generation before this one is known to work; choose one that \`nixfleet generations\` lists: nixfleet rollback NUMBER"
}

main "$@"
