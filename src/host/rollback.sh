#!/bin/sh
# Usage: nixfleet rollback [NUMBER | newest]
# Chooses the generation that boots from now on, until the next one is installed: by default the newest before this one
# that has proved itself.
#
# `newest` takes the choice back. Nothing changes before the next boot.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  openGenerations "$0" "$@"
  readNumbers
  chosen=${1:-}
  case $chosen in
    newest) chosen='' ;;
    '') findPrevious ;;
    *[!0-9]*) fail "usage: nixfleet rollback [NUMBER | newest]" ;;
    *) [ -e "$STATE/generations/$chosen" ] || fail "there is no generation $chosen; \`nixfleet generations\` lists those there are" ;;
  esac
  if [ -n "$chosen" ]; then
    readGeneration "$chosen"
    [ -e "$NIX/store/${closure##*/}/cmdline" ] || fail "the closure of generation $chosen is gone: $closure"
    readState "$chosen"
    case $state in
      'no boot entry') fail "generation $chosen has no boot entry: its installation was interrupted" ;;
      'passed over') printf 'nixfleet: generation %s has failed to boot before\n' "$chosen" >&2 ;;
      'not proved'*) printf 'nixfleet: generation %s has not come up yet\n' "$chosen" >&2 ;;
    esac
  fi
  [ -z "$ESP$ESP_IMAGE" ] || systemdBootDefault "$chosen"
  [ -z "$GRUB" ] || grubWrite "$chosen"
  if [ -n "$chosen" ]; then
    echo "the next boot is generation $chosen of $date; to take it back: nixfleet rollback newest"
  else
    echo "the next boot is the newest generation that works"
  fi
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
  [ -n "$chosen" ] || fail "no generation before this one is known to work; \`nixfleet generations\` lists those there are, and nixfleet rollback NUMBER chooses one of them"
}

main "$@"
