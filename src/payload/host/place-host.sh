#!/bin/sh
# Usage: place-host.sh --conf FILE CLOSURE
# Puts a closure on the mounted disk of its host: into the store, with a boot loader and a boot entry. The one installer:
# a builder's `install` and `image` run it, and so does `nixfleet install` on a host. It can be run again.
# Besides the parameters of generation-store.sh, FILE has:
#   FROM        the folder that holds the closure and its packages
#   ROOT        what stands for the host's /
#   KEEPS_ROOT  `yes` where no wipe makes the root
#   DISK        the disk whose first sector a BIOS reads
set -eu
export LC_ALL=C
umask 022
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"
# shellcheck source=src/payload/host/embed-grub.sh
. "$here/embed-grub.sh"

main() {
  closure=$1
  echo "copying the closure"
  sh "$here/copy-closure.sh" "$FROM" "$NIX" "$closure"
  # From here on nothing is taken but what is in that store, where its digest was checked.
  installed=$NIX/store/${closure##*/}
  [ -z "$KEEPS_ROOT" ] || makeLastingRoot "$installed/root"
  [ -z "$GRUB" ] || embedGrub "$installed/usr/lib"
  echo "writing the boot entry"
  sh "$here/add-generation.sh" --conf "$CONF" "$closure" >/dev/null
}

# makeLastingRoot PRISTINE: where no wipe makes the root, it is made once. `etc` comes last, under its name when it is whole.
makeLastingRoot() {
  [ ! -e "$ROOT/etc" ] || return 0
  for each in "$1"/* "$1"/.[!.]*; do
    name=${each##*/}
    if [ "$name" = etc ] || ! { [ -e "$each" ] || [ -L "$each" ]; }; then continue; fi
    # What is mounted there already, such as an ESP, need not take an empty folder's owner.
    if [ -e "$ROOT/$name" ] && [ -z "$(ls -A -- "$each")" ]; then continue; fi
    cp -a -- "$each" "$ROOT/"
  done
  rm -rf -- "$ROOT/.new-etc"
  cp -a -T -- "$1/etc" "$ROOT/.new-etc"
  sync -f -- "$ROOT"
  mv -T -- "$ROOT/.new-etc" "$ROOT/etc"
  sync -f -- "$ROOT"
}

main "$@"
