# shellcheck shell=sh
# The btrfs filesystem that the wipe works on: found by its label, mounted where nobody else looks, unmounted.
# Sourced by wipe.sh, prune.sh and disks.sh, which define `fail MESSAGE` and set LABEL or DEVICE, KERNEL_COMMAND_LINE where a
# boot entry may say more of the label, MOUNTPOINT (an empty folder) and `mounted`. MOUNT_OPTIONS are further ones.

# Sets DEVICE. Two filesystems with the label are none: which is meant?
findFilesystem() {
  findKnown "$LABEL"
  [ -z "$known" ] || {
    listing=$(blkid -c /dev/null -t "UUID=$known" -o device) ||
      fail "no filesystem has the UUID $known, which the boot entry gives for $LABEL"
    read -r DEVICE <<EOF
$listing
EOF
    return 0
  }
  findLabelled "$LABEL"
  # shellcheck disable=SC2086 # neither devices nor UUIDs have blanks
  set -- $devices
  [ "$#" -gt 0 ] || fail "no filesystem has the label $LABEL; run blkid to list all"
  [ "$#" -eq 1 ] ||
    fail "two filesystems have the label $LABEL:$devices (UUIDs$uuids); change the label of the wrong one"
  DEVICE=UUID=${uuids# }
}

# Sets `known` to the UUID that the boot entry has for the label $1: nixfleet.disks=LABEL/UUID,… Empty: none.
findKnown() {
  known='' words=''
  [ -z "${KERNEL_COMMAND_LINE:-}" ] || read -r words <"$KERNEL_COMMAND_LINE" || :
  set -f
  for word in $words; do
    case $word in nixfleet.disks=*) known=,${word#*=}, ;; esac
  done
  set +f
  case $known in
    *",$1/"*) known=${known#*",$1/"} known=${known%%,*} ;;
    *) known='' ;;
  esac
}

# Sets `devices` and `uuids`, of filesystems with the label $1. Several devices of one filesystem are one.
findLabelled() {
  listing=$(blkid -c /dev/null -t "LABEL=$1" -s UUID -s TYPE -o export) || listing=''
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
}

# Mounts the top level and makes it the current folder, so that every path below is relative to it. Pruning does it on a
# running host, whose users find the store and old roots there too: nothing in them raises privileges.
mountFilesystem() {
  [ -n "${DEVICE:-}" ] || findFilesystem
  options=${MOUNT_OPTIONS:-}
  message=$(mount -t btrfs -o "rw,noatime,nosuid,nodev,subvolid=5${options:+,$options}" -- "$DEVICE" "$MOUNTPOINT" 2>&1) || fail "cannot mount $DEVICE: $message"
  mounted=yes
  cd "$MOUNTPOINT" || fail "cannot enter $MOUNTPOINT"
}

# Unmounting commits what was done and not synced. (Where the filesystem is mounted elsewhere too, that comes within 30
# seconds.)
unmountFilesystem() {
  cd /
  message=$(umount -- "$MOUNTPOINT" 2>&1) || fail "cannot unmount $MOUNTPOINT: $message"
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
