#!/bin/sh
# Usage: nixfleet gc [--keep COUNT] [--dry-run]
# Deletes from the store what no generation needs; with --keep, generations beyond the newest COUNT go first.
#
# What may go are objects that came with a generation (the record says which), and to which no generation, no boot entry
# and not the running system refers. Everything else stays. --keep never takes the running generation, one that a
# rollback has chosen, or the newest that is good.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

ACTIVATION=${RUNTIME:-/run/nixfleet}/activation.report SWITCHED=${RUNTIME:-/run/nixfleet}/closure

main() {
  keep='' dry=''
  openGenerations "$0" "$@"
  while [ "$#" -gt 0 ]; do
    case $1 in
      --dry-run) dry=yes ;;
      --keep)
        shift
        keep=${1:-}
        case $keep in '' | 0 | *[!0-9]*) fail "--keep needs a number of generations, at least 1" ;; esac
        ;;
      *) fail "usage: nixfleet gc [--keep COUNT] [--dry-run]" ;;
    esac
    shift
  done
  [ -n "$dry" ] || clearPulls
  [ -z "$keep" ] || [ -n "$dry" ] || pruneGenerations "$keep"
  readNeeded
  for path in "$STATE/objects"/*; do
    name=${path##*/}
    isObject "$NIX/store" "$name" || continue
    case " $needed " in *" $name "*) continue ;; esac
    if [ -n "$dry" ]; then echo "would delete $name"; else deleteObject "$name"; fi
  done
}

# Until this ends no closure is on its way here, whose switch or pull counts on what the store has; what of one came, and
# was given up, goes.
clearPulls() {
  : >>"$STATE/locks/receive"
  exec 8<>"$STATE/locks/receive"
  flock --nonblock 8 || {
    printf 'nixfleet: waiting for the end of %s\n' "$(lockHolder "$STATE/locks/receive")" >&2
    flock 8
  }
  rm -rf -- "$STATE/pull"
  removeLeft "$NIX/store"
}

# Sets `needed`: names of store objects, with blanks between. Whatever cannot be read ends the run.
readNeeded() {
  readNumbers
  readRunning
  [ -n "$numbers" ] || fail "there is no generation, so nothing is deleted"
  closures="$running$(onEachEsp namedByEntries)" || fail "cannot read the boot entries"
  # A host that was switched to another closure without a reboot runs that one too.
  [ -z "$KERNEL_COMMAND_LINE" ] || [ ! -r "$ACTIVATION" ] ||
    closures="$closures $(sed -n 's/^closure=//p' "$ACTIVATION") $(cat -- "$SWITCHED" 2>/dev/null || :)"
  for number in $numbers; do
    readGeneration "$number"
    [ -n "$closure" ] || fail "the record of generation $number is damaged: $STATE/generations/$number"
    closures="$closures $closure"
  done
  needed=''
  for closure in $closures; do
    needed="$needed ${closure##*/} $(referencesOf "$NIX/store/${closure##*/}")"
  done
}

namedByEntries() {
  espList "$ENTRIES" | while IFS= read -r name; do
    text=$(espRead "$ENTRIES/$name") || exit 1
    printf '%s\n' "$text" | sed -n 's/.* nixfleet\.closure=\([^ ]*\).*/ \1/p'
  done || fail "an entry of the EFI system partition${ESP:+ on $ESP} cannot be read"
}

# It loses its name first: no closure is ever there in part. What a killed run has left is deleted with the next closure
# that is installed.
deleteObject() {
  unfinished=$NIX/store/.new-$1
  mv -T -- "$NIX/store/$1" "$unfinished"
  sync -- "$NIX/store"
  removeObject "$unfinished"
  rm -f -- "$STATE/objects/$1" "$STATE/whole/$1"
  echo "deleted $1"
}

main "$@"
