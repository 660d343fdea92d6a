#!/bin/sh
# Usage: nixfleet generations [--json]
# Lists the generations of this host, the newest first.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  [ -z "$ESP" ] || [ -r "$ESP/loader" ] || fail "cannot read $ESP: run it with sudo"
  readNumbers
  readRunning
  default=''
  [ -z "$ESPS" ] || readSystemdBootDefault
  [ -z "$GRUB" ] || readGrubDefault
  case ${1:-} in
    '') list ;;
    --json) listJson ;;
    *) fail "usage: nixfleet generations [--json]" ;;
  esac
}

list() {
  for number in $(newestFirst); do
    describe "$number"
    printf '%4s  %s  %s  %s\n' "$number" "$date" "$changes" "($marks)"
  done
}

listJson() {
  separator='['
  for number in $(newestFirst); do
    describe "$number"
    printf '%s{"number":%s,"date":"%s","closure":"%s","state":"%s","runs":%s,"chosen":%s,"changes":"%s"}' \
      "$separator" "$number" "$date" "$closure" "$state" "$runs" "$chosen" "$(printf '%s' "$changes" | sed 's/["\\]/\\&/g')"
    separator=,
  done
  [ "$separator" = , ] || printf '['
  printf ']\n'
}

newestFirst() {
  printf '%s\n' "$numbers" | sort -rn
}

describe() {
  readGeneration "$1"
  readState "$1"
  runs=false chosen=false marks=$state
  [ "$closure" != "$running" ] || runs=true marks="$marks, running"
  [ "$1" != "$default" ] || chosen=true marks="$marks, chosen by a rollback"
}

main "$@"
