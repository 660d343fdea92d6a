# shellcheck shell=sh
# The btrfs filesystem that the wipe works on: found by its label, mounted where nobody else looks, unmounted.
# Sourced by wipe.sh and prune.sh, which define `fail MESSAGE` and set LABEL or DEVICE, MOUNTPOINT (an empty folder) and `mounted`.

# Sets DEVICE. Several devices of one filesystem are one; two filesystems with the label are none: which is meant?
findFilesystem() {
  listing=$(blkid -c /dev/null -t "LABEL=$LABEL" -s UUID -s TYPE -o export) || listing=''
  uuids='' devices='' device='' uuid='' type=''
  while IFS='=' read -r key value; do
    case $key in
      UUID) uuid=$value ;;
      TYPE) type=$value ;;
      DEVNAME)
        case $type:$uuids in
          :* | crypto_LUKS:* | *_member:* | *" $uuid"*) ;; # holds a filesystem rather than being one; or known
          *) uuids="$uuids $uuid" devices="$devices $device" ;;
        esac
        device=$value uuid='' type=''
        ;;
    esac
  done <<EOF
$listing
DEVNAME=
EOF
  # shellcheck disable=SC2086 # neither devices nor UUIDs have blanks
  set -- $devices
  [ "$#" -gt 0 ] || fail "no filesystem is labelled $LABEL; blkid lists those there are"
  [ "$#" -eq 1 ] || {
    settleLabel "$@"
    fail "two filesystems are labelled $LABEL:$devices (UUIDs$uuids); give the one that is not meant another label"
  }
  DEVICE=UUID=${uuids# }
}

# Then udev's link, LABEL_LINK, by which the boot goes on to mount the root, leads to either. If just one of the devices
# has a @root, to that. Nothing is written to any of them: not even a log is replayed.
settleLabel() {
  [ -n "${LABEL_LINK:-}" ] || return 0
  rooted=''
  for device; do
    mount -t btrfs -o ro,rescue=nologreplay,subvol=@root -- "$device" "$MOUNTPOINT" 2>&1 || continue
    umount -- "$MOUNTPOINT"
    rooted="$rooted $device"
  done
  case $rooted in
    ' '*' '* | '') ;;
    *) ln -sfn -- "${rooted# }" "$LABEL_LINK" ;;
  esac
}

# Mounts the top level and makes it the current folder, so that every path below is relative to it.
mountFilesystem() {
  [ -n "${DEVICE:-}" ] || findFilesystem
  message=$(mount -t btrfs -o rw,noatime,subvolid=5 -- "$DEVICE" "$MOUNTPOINT" 2>&1) || fail "$DEVICE cannot be mounted: $message"
  mounted=yes
  cd "$MOUNTPOINT" || fail "$MOUNTPOINT cannot be entered"
}

# Unmounting commits what was done and not synced. (Where the filesystem is mounted elsewhere too, that comes within 30
# seconds.)
unmountFilesystem() {
  cd /
  message=$(umount -- "$MOUNTPOINT" 2>&1) || fail "$MOUNTPOINT cannot be unmounted: $message"
  # shellcheck disable=SC2034 # for who sources this
  mounted=''
}

# Whether something of the subvolume $1 is mounted anywhere: mountinfo's third field is the same for all mounts of one
# filesystem, the fourth is what of it is mounted (proc_pid_mountinfo(5)).
isMounted() {
  own='' others=''
  while read -r _ _ number source target _; do
    [ "$target" != "$MOUNTPOINT" ] || own=$number
    case $source in "/$1" | "/$1"/*) others="$others $number " ;; esac
  done </proc/self/mountinfo
  case $others in *" $own "*) return 0 ;; esac
  [ -z "$own" ] # not knowing is no reason to go on
}

exists() {
  [ -e "$1" ] || [ -L "$1" ]
}

# On btrfs the root of a subvolume, and nothing else, has the inode number 256.
isSubvolume() {
  [ "$(stat -c %i -- "$1" 2>&1)" = 256 ]
}
