#!/bin/sh
# Usage: nixfleet stray [remove PATH... | undo [NAME] | trash] [--json]
# Lists data on the persist roots that nothing declares any more; moves it to a trash, and back.
#
# The trash is .nixfleet/trash on the persist root. What is in it goes when it is as old as an old root that is due.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"

main() {
  case ${1:-} in
    remove | undo | expire)
      [ "$(id -u)" = 0 ] || fail "only root can do this: run it with sudo"
      takeLock "$RUNTIME/locks/stray"
      ;;
  esac
  findClosure
  export ROOT NIX PERSIST_ROOT RETENTION_DAYS CLOSURE="$NIX/store/${closure##*/}" NOW="${NOW:-}" RUNTIME
  exec perl -I "$here" "$here/stray.pl" "$@"
}

main "$@"
