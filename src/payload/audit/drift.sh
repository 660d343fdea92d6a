#!/bin/sh
# Usage: nixfleet drift [PATH] [--diff PATH] [--fail] [--json]
# Lists what the running root holds that the next boot takes away, and what to declare to keep it.
#
# btrfs itself tells what differs between the closure's pristine root and a snapshot of this one. Elsewhere, and for who is
# not root, both are walked.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"

main() {
  [ -n "$LABEL$DEVICE" ] || fail "the root of this host is not ephemeral: a boot takes nothing away"
  findClosure
  [ -n "$closure" ] || fail "the kernel command line names no closure: NixFleet has not booted this host"
  export ROOT RUNTIME PERSIST_ROOT STORE="$NIX/store" CLOSURE="$NIX/store/${closure##*/}" SEEN='' LIVE='' PRISTINE="$NIX/store/${closure##*/}/root"
  [ -d "$PRISTINE" ] || fail "the closure $closure has no pristine root to compare with"
  if [ -n "${NIXFLEET_APART:-}" ] || [ "$(id -u)" = 0 ]; then
    apart "$0" "$@"
    openFilesystem
    findRunning
    pristine=$NIX_SUBVOLUME/store/${closure##*/}/root
    if [ -n "$running" ] && isSubvolume "$pristine" && [ "$(btrfs property get -ts "$pristine" ro)" = ro=true ]; then
      takeLock "$RUNTIME/locks/look"
      trap forgetAll EXIT
      trap 'exit 1' HUP INT TERM
      seeAs "$SEEN_ROOT" "$running"
      PRISTINE=$MOUNTPOINT/$pristine SEEN=$MOUNTPOINT/$SEEN_ROOT LIVE=$MOUNTPOINT/$running
    fi
  fi
  code=0
  perl -I "$here" "$here/drift.pl" "$@" || code=$?
  exit "$code"
}

main "$@"
