#!/bin/sh
# Usage: nixfleet root-digest [--list] [--json]
# A digest of the root as activation made it, before any program ran; --list says what of each path is in it.
#
# /etc/nixfleet/made is a read-only snapshot of the root at that time: nixfleet-activate.service makes it.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"

main() {
  [ "$(id -u)" = 0 ] || fail "only root can read all of the root: run it with sudo"
  [ -n "$LABEL$DEVICE" ] || fail "the root of this host is not ephemeral: no boot makes it"
  made=${ROOT%/}/etc/nixfleet/made
  if ! isSubvolume "$made" || [ "$(btrfs property get -ts "$made" ro)" != ro=true ]; then
    fail "there is no $made, which a boot makes of a fresh root: this closure is older, or the filesystem was full"
  fi
  MADE=$made exec perl -I "$here" "$here/root-digest.pl" "$@"
}

main "$@"
