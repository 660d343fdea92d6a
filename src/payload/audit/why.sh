#!/bin/sh
# Usage: nixfleet why PATH [--json]
# Says what becomes of a path at the next boot, and who says so: an entry, the closure, a mount, or nobody.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"

main() {
  findClosure
  export ROOT NIX RUNTIME LABEL="$LABEL$DEVICE" CLOSURE="$NIX/store/${closure##*/}"
  exec perl -I "$here" "$here/why.pl" "$@"
}

main "$@"
