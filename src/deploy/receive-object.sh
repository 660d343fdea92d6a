#!/bin/sh
# Usage: receive-object.sh NAME COUNT, with an archive of tar as stdin, which has so many files and folders
#
# Puts an object into this host's store. It gets its name when it is whole and on the disk; what an earlier run began is
# removed. It runs in a mount namespace of its own: for nobody else the store becomes writable.
set -eu
umask 022
name=$1 count=$2

mount -o remount,bind,rw /nix
cd /nix/store
exec 9>.lock
flock 9
if [ -e "$name" ]; then
  cat >/dev/null
  exit 0
fi
new=.new-$name
if [ -e "$new" ]; then
  btrfs subvolume delete "$new/root" >/dev/null 2>&1 || :
  rm -rf --one-file-system -- "$new"
fi
mkdir -m 0755 -- "$new"
tar --extract --numeric-owner --xattrs --xattrs-include='*' --acls --same-owner --same-permissions \
  --directory "$new" --strip-components=1
# To tar an archive that ends between two files is whole.
[ "$(find "$new" -printf x | wc -c)" -eq "$count" ] || {
  echo "$name did not arrive whole: run it again" >&2
  exit 1
}
# The pristine root is a read-only subvolume, of which a fresh root is a snapshot; the folder keeps its own time.
if [ -d "$new/root" ] && [ -e "$new/plan.json" ]; then
  touch --reference "$new" -- "$new.time"
  mv -- "$new/root" "$new/root.folder"
  btrfs subvolume create "$new/root" >/dev/null
  cp -a --reflink=auto -T -- "$new/root.folder" "$new/root"
  rm -rf --one-file-system -- "$new/root.folder"
  btrfs property set -t subvol "$new/root" ro true
  touch --no-create --reference "$new.time" -- "$new"
  rm -- "$new.time"
fi
sync -f -- "$new"
mv -T -- "$new" "$name"
sync -- .
