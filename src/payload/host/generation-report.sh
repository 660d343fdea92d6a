#!/bin/sh
# Usage: generation-report.sh [--conf FILE]
#
# Writes down, for `nixfleet status`, which generation runs and which newer ones were passed over by the boot loader.
set -eu
export LC_ALL=C
here=${0%/*} runtime=${RUNTIME:-/run/nixfleet}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  readNumbers
  readRunning
  now='' passed=''
  for number in $numbers; do
    readGeneration "$number"
    if [ "$closure" = "$running" ]; then
      now=$number passed=''
      continue
    fi
    readState "$number"
    [ "$state" != 'passed over' ] || passed="$passed $number"
  done
  outcome=newest
  [ -z "$passed" ] || outcome='passed over'
  mkdir -p -- "$runtime"
  printf '%s\n' "outcome=$outcome" ${now:+"running=$now"} ${passed:+"passedOver=${passed# }"} end >"$runtime/generation.report"
}

main
