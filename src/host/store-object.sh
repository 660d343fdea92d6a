# shellcheck shell=sh
# Store objects on a host's filesystem, until they are whole and once they are to go.
# Sourced by whoever puts them there or deletes them.

# makeRootSubvolume OBJECT: the pristine root of a closure becomes a read-only subvolume, so that a fresh root is a
# snapshot of it: btrfs-subvolume(8). The object's own time comes last, for what is made in it changes it; then it has
# the digest of the original. On another filesystem, and in an object without such a root, nothing is done.
makeRootSubvolume() {
  [ -d "$1/root" ] && [ -e "$1/cmdline" ] && [ "$(stat -f -c %T -- "$1")" = btrfs ] || return 0
  time=$(stat -c %y -- "$1")
  mv -T -- "$1/root" "$1/root.folder"
  btrfs subvolume create "$1/root" >/dev/null
  cp -a --reflink=auto -T -- "$1/root.folder" "$1/root"
  rm -rf --one-file-system -- "$1/root.folder"
  btrfs property set -t subvol "$1/root" ro true
  touch --no-create --date="$time" -- "$1"
}

# A read-only subvolume cannot be removed as a folder. Where there is none, that fails.
removeObject() {
  [ ! -d "$1/root" ] || btrfs subvolume delete "$1/root" >/dev/null 2>&1 || :
  rm -rf --one-file-system -- "$1"
}
