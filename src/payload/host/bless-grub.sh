#!/bin/sh
# Usage: bless-grub.sh [--conf FILE]
#
# Tells GRUB that the running generation works, as systemd-bless-boot does for systemd-boot.
set -eu
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"

main() {
  readNumbers
  readRunning
  readGrubEnvironment
  now=''
  for number in $numbers; do
    readGeneration "$number"
    [ "$closure" != "$running" ] || now=$number
  done
  [ -n "$now" ] || return 0
  case " $proved " in *" $now "*) return 0 ;; esac
  proved="$proved $now"
  [ "$now" != "$trial" ] || trial='' left=''
  writeGrubEnvironment
  echo "generation $now works"
}

main
