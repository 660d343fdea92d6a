#!/bin/sh
# Usage: generation-notice.sh [--conf FILE]
#
# Says on the console, and to whoever logs in, that the running generation is not the one that was to boot.
set -eu
export LC_ALL=C
here=${0%/*} notice=${NOTICE:-/run/motd.d/nixfleet}
# shellcheck source=src/host/generation-store.sh
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
  [ -n "$passed" ] || return 0
  mkdir -p -- "${notice%/*}"
  tee -- "$notice" <<END
nixfleet: GENERATION$passed WAS PASSED OVER: it did not reach boot-complete.target, so this is generation ${now:-unknown}.
\`nixfleet generations\` lists them; install one that works, and it is the next to boot.
END
}

main
