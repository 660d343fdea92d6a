#!/bin/sh
# Usage: disks.sh CONF
#
# Before the root is mounted: two filesystems that have one label are none, for which is meant? udev's link leads to the one
# that it saw last. Where the boot entry names this host's by UUID (own-disks.rules), there is nothing to do. Else the root
# is the one that has a @root, if just one has; if not, the boot ends here. CONF has:
#   LABELS               of what the initrd mounts, a line each
#   ROOT_LABEL           the one of them that the root has; empty: it is no btrfs
#   ROOT_SUBVOLUME       what of it is the root
#   KERNEL_COMMAND_LINE  where to read nixfleet.disks=
#   LINKS                udev's folder of links by label
#   MOUNTPOINT           an empty folder
set -eu
export LC_ALL=C
# shellcheck source=src/payload/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/payload/initrd/filesystem.sh
. "${0%/*}/filesystem.sh"
# shellcheck source=/dev/null
. "$1"

main() {
  for label in $LABELS; do
    findKnown "$label"
    [ -z "$known" ] || continue
    findLabelled "$label"
    # shellcheck disable=SC2086 # neither devices nor UUIDs have blanks
    set -- $devices
    [ "$#" -gt 1 ] || continue
    [ "$label" = "$ROOT_LABEL" ] && settleRoot "$@" && continue
    fail "Two filesystems have the label $label:$devices (UUIDs$uuids). Unplug the wrong one and reboot; or add nixfleet.disks=$label/UUID in the boot menu, with the UUID of the right one"
  done
}

# True if just one of the devices has the root: then the link leads to that. Nothing is written to any of them: not even a
# log is replayed.
settleRoot() {
  rooted=''
  for device; do
    mount -t btrfs -o "ro,rescue=nologreplay,subvol=$ROOT_SUBVOLUME" -- "$device" "$MOUNTPOINT" 2>/dev/null || continue
    umount -- "$MOUNTPOINT"
    rooted="$rooted $device"
  done
  case $rooted in ' '*' '* | '') return 1 ;; esac
  say "two filesystems have the label $label:$devices; only one has a $ROOT_SUBVOLUME, so that is the root:$rooted"
  ln -sfn -- "${rooted# }" "$LINKS/$label"
}

fail() {
  say "$1"
  exit 1
}

main
