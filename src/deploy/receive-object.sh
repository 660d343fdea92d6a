#!/bin/sh
# Usage: receive-object.sh NAME COUNT, with an archive of tar as stdin, which has so many files and folders
#
# Puts an object into this host's store. It gets its name when it is whole and on the disk; what an earlier run began is
# removed. It runs behind store-object.sh, in a mount namespace of its own: for nobody else the store becomes writable.
set -eu
umask 022
name=$1 count=$2 nix=${NIX:-/nix}
case $name in '' | .* | */*) echo "\"$name\" is not the name of a store object" >&2 && exit 1 ;; esac

mount -o remount,bind,rw -- "$nix"
cd -- "$nix/store"
exec 9>.lock
flock 9
for left in .new-*; do
  [ ! -e "$left" ] || removeObject "$left"
done
if [ -e "$name" ]; then
  cat >/dev/null
  exit 0
fi
new=.new-$name
trap 'removeObject "$new"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -- "$new"
tar --extract --numeric-owner --xattrs --xattrs-include='*' --acls --same-owner --same-permissions --directory "$new"
# To tar an archive that ends between two files is whole.
[ "$(find "$new" -printf x | wc -c)" -eq "$count" ] || {
  echo "$name did not arrive whole: run it again" >&2
  exit 1
}
makeRootSubvolume "$new"
sync -f -- "$new"
mv -T -- "$new" "$name"
trap - EXIT
sync -- .
