#!/bin/sh
# Usage: nixfleet add-generation [--check] CLOSURE
# Makes a closure that is in the store the newest generation, which boots from now on.
#
# With --check it only says whether it can: whether all of the closure is whole, and every ESP has room for what it boots from.
# It and what it refers to have to be there, and what was built. The record is written first, so that `gc` leaves it alone, then what it boots from, its entry last. Interrupted at any
# point, the generations before it boot, and it can be run again. A closure that is the newest already stays it, and is
# tried again if it was passed over.
set -eu
export LC_ALL=C
umask 022
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  case $1 in --check) wanted=$2 ;; *) wanted=$1 ;; esac
  case ${wanted#/nix/store/} in "$wanted" | '' | */* | .*) fail "$wanted is not a closure in /nix/store" ;; esac
  openGenerations "$0" "$@"
  requireWhole
  [ "$1" != --check ] || {
    [ -z "$ESPS" ] || systemdBootRoom "$wanted"
    exit 0
  }
  readNumbers
  newest=$(printf '%s\n' "$numbers" | tail -n 1)
  closure=''
  [ -z "$newest" ] || readGeneration "$newest"
  if [ "$closure" = "$wanted" ]; then
    number=$newest
  else
    number=$((${newest:-0} + 1))
    changes='the first generation'
    [ ! -e "$NIX/store/${closure##*/}/cmdline" ] || [ -z "$closure" ] ||
      changes=$(sh "$here/changes.sh" "$NIX/store/${closure##*/}" "$NIX/store/${wanted##*/}")
    closure=$wanted
    remember "$closure"
    writeGeneration "$number" "$closure" "$(date -u '+%Y-%m-%d %H:%M')" "$changes"
    readGeneration "$number"
  fi
  [ -z "$ESPS" ] || systemdBootAdd "$number"
  [ -z "$GRUB" ] || grubTry "$number"
  [ -z "$GRUB" ] || grubWrite ''
  printf 'generation %s: %s\n' "$number" "$changes"
  systemdBootAlike
  pruneGenerations "$LIMIT"
}

# The record is locked, so `gc` deletes none of them meanwhile.
requireWhole() {
  [ -e "$NIX/store/${wanted##*/}/cmdline" ] || fail "there is no closure $wanted in the store"
  readPackages "$wanted"
  for name in $(referencesOf "$NIX/store/${wanted##*/}") "${wanted##*/}"; do
    isWhole "$NIX/store" "$name" || fail "$wanted is not a generation now, because it is damaged: copy it here again"
  done
}

# What came with a generation may go when none needs it any more.
remember() {
  for name in "${1##*/}" $(referencesOf "$NIX/store/${1##*/}"); do : >"$STATE/objects/$name"; done
  sync -- "$STATE/objects"
}

main "$@"
