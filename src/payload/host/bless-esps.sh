#!/bin/sh
# Usage: bless-esps.sh [--conf FILE]
#
# For a host with several EFI system partitions, in the place of systemd-bless-boot: says on each of them that the entry that
# this boot came from works.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"
BOOT_COUNT=${BOOT_COUNT:-/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f}

main() {
  # UTF-16, behind four bytes of attributes: \\loader\\entries\\nixfleet-7+2-1.conf
  path=$(tr -cd '[:print:]' <"$BOOT_COUNT")
  booted=${path##*nixfleet-}
  booted=${booted%%[+.]*}
  case $booted in '' | *[!0-9a-z]*) fail "the boot loader does not say which entry it has booted: $path" ;; esac
  failed=''
  leaveOutMissingEsps
  onEachEsp bless
  [ -z "$failed" ]
}

bless() {
  findEntry "$booted"
  case $entry in *+*) ;; *) return 0 ;; esac
  espRename "$ENTRIES/$entry" "$ENTRIES/nixfleet-$booted.conf" || failed=yes
}

main
