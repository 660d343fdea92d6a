#!/bin/sh
# Usage: nixfleet restore PATH [--from TIME] [--to PATH | --persist] [--until-boot] [--json]
# Brings back what an old root holds: by default of the newest that has it, to where it was.
#
# Where nothing persists it refuses, unless --until-boot says that this is meant. --persist puts it on the persist root,
# where it is seen once the path is declared.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"

main() {
  apart "$0" "$@"
  openFilesystem
  takeLock "$RUNTIME/locks/restore"
  findClosure
  export ROOT NIX PERSIST_ROOT MOUNTPOINT CLOSURE="$NIX/store/${closure##*/}" RUNTIME
  perl -I "$here" "$here/restore.pl" "$@"
}

main "$@"
