#!/bin/sh
# Usage: nixfleet confirm
# Confirms the switch that waits for it. Without this the switch goes back.
#
# With the store path of a closure it confirms only a switch to that one.
set -eu
current=${RUNTIME:-/run/nixfleet}/switch/current

fail() {
  printf 'nixfleet: %s\n' "$1" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "only root can confirm a switch: run it with sudo"
outcome='' closure=''
{ read -r outcome <"$current/outcome" && read -r closure <"$current/closure"; } 2>/dev/null || :
[ "$outcome" = waiting ] || fail "no switch waits for a confirmation"
[ "${1:-$closure}" = "$closure" ] || fail "the switch that waits is another, to $closure"
: >"$current/confirmed"
