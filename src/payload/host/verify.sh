#!/bin/sh
# Usage: nixfleet verify [--when-due]
# Reads all that is in the store, and says which closures are not what was built, and which of their files.
#
# Exits 1 where one is damaged. `gc` may run meanwhile. With --when-due it does nothing within a week after the last time.
# When that was, and what was damaged, is in $NIX/nixfleet/verified.report, for `nixfleet status`.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  [ "$(id -u)" = 0 ] || fail "only root can read the whole store: run it with sudo"
  record=$STATE/verified.report
  case ${1:-} in
    '') ;;
    --when-due) [ -z "$(find "$record" -mtime -7 ! -newermt now 2>/dev/null)" ] || exit 0 ;;
    *) fail "usage: nixfleet verify [--when-due]" ;;
  esac
  makeWritable "$0" "$@"
  damaged='' outcome=whole list=''
  for path in "$NIX/store"/*; do
    name=${path##*/}
    isObject "$NIX/store" "$name" || continue
    if verifyObject "$path" "$name"; then
      noteWhole "$NIX/store" "$name"
      echo "$name is whole"
    elif [ -e "$path" ]; then
      rm -f -- "$STATE/whole/$name"
      damaged="$damaged $name" outcome=damaged list="${list}damaged=$name
"
    fi
  done
  mkdir -p -- "$STATE"
  printf 'outcome=%s\ndate=%s\n%send\n' "$outcome" "$(date -u '+%Y-%m-%d %H:%M')" "$list" >"$record.new"
  replaceFile "$record"
  [ -z "$damaged" ] || fail "damaged:$damaged. Copy them here again with nixfleet switch on the builder, or delete those of old generations with nixfleet gc --keep COUNT"
}

main "$@"
