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
# shellcheck source=src/host/generation-store.sh
. "$here/generation-store.sh"
# shellcheck source=src/host/store-object.sh
. "$here/store-object.sh"

ACTIVATION=${RUNTIME:-/run/nixfleet}/activation.json

main() {
  keep='' dry=''
  openGenerations "$0" "$@"
  while [ "$#" -gt 0 ]; do
    case $1 in
      --dry-run) dry=yes ;;
      --keep)
        shift
        keep=${1:-}
        case $keep in '' | 0 | *[!0-9]*) fail "--keep wants a number of generations, at least 1" ;; esac
        ;;
      *) fail "usage: nixfleet gc [--keep COUNT] [--dry-run]" ;;
    esac
    shift
  done
  [ -z "$keep" ] || [ -n "$dry" ] || pruneGenerations "$keep"
  readNeeded
  for path in "$STATE/objects"/*; do
    name=${path##*/}
    isObject "$name" || continue
    case " $needed " in *" $name "*) continue ;; esac
    if [ -n "$dry" ]; then echo "would delete $name"; else deleteObject "$name"; fi
  done
}

# Sets `needed`: names of store objects, with blanks between. Whatever cannot be read ends the run.
readNeeded() {
  readNumbers
  readRunning
  [ -n "$numbers" ] || fail "no generation is on record, so nothing is deleted"
  closures="$running$([ -z "$ESP$ESP_IMAGE" ] || namedByEntries)" || fail "the boot entries cannot be read"
  # A host that was switched to another closure without a reboot runs that one too.
  [ -z "$KERNEL_COMMAND_LINE" ] || [ ! -r "$ACTIVATION" ] ||
    closures="$closures $(sed -n 's/.*"closure":"\([^"]*\)".*/\1/p' "$ACTIVATION")"
  for number in $numbers; do
    readGeneration "$number"
    [ -n "$closure" ] || fail "the record of generation $number is damaged: $STATE/generations/$number"
    closures="$closures $closure"
  done
  needed=''
  for closure in $closures; do
    readPackages "$closure"
    needed="$needed ${closure##*/} $packages"
  done
}

namedByEntries() {
  espList "$ENTRIES" | while IFS= read -r name; do
    text=$(espRead "$ENTRIES/$name") || exit 1
    printf '%s\n' "$text" | sed -n 's/.* nixfleet\.closure=\([^ ]*\).*/ \1/p'
  done
}

# 32 characters of a digest, and a name: what nixfleet calls store objects.
isObject() {
  case $1 in
    *[!A-Za-z0-9-]*) return 1 ;;
    ????????????????????????????????-nixfleet-?* | ????????????????????????????????-debian-?*) ;;
    *) return 1 ;;
  esac
  [ -d "$NIX/store/$1" ] && [ ! -L "$NIX/store/$1" ]
}

# It loses its name first: no closure is ever there in part. What a killed run has left is deleted with the next closure
# that is installed.
deleteObject() {
  unfinished=$NIX/store/.new-$1
  mv -T -- "$NIX/store/$1" "$unfinished"
  sync -- "$NIX/store"
  removeObject "$unfinished"
  rm -f -- "$STATE/objects/$1"
  echo "deleted $1"
}

main "$@"
