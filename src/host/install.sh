#!/bin/sh
# Usage: nixfleet install DEVICE [--yes-wipe]
# Puts this very host onto another disk, without a network; the disk loses all that it holds.
#
# So an image of a host on a USB stick is its installer. The disk gets the layout that the host declares, the running
# closure, a boot loader and a first generation; nothing of what persists here. Interrupted, it can be run again.
# Besides the parameters of generation-store.sh, /etc/nixfleet/install.conf (or INSTALL_CONF) has:
#   FORMAT, MOUNT        scripts that do that to $device, whose first partition is ${partition}1; MOUNT below $under
#   NEEDS                how large the disk has to be for that, in MiB
#   KEYS                 files with a passphrase or a key, a line each, that FORMAT reads
#   OPENS                the names by which FORMAT and MOUNT open what is encrypted, a line each
#   KEEPS_ROOT           `yes` where no wipe makes the root
#   ESP_NUMBER           of the partition that UEFI reads; empty: none
set -eu
export LC_ALL=C
umask 022
here=${0%/*}
# shellcheck source=src/host/generation-store.sh
. "$here/generation-store.sh"
# shellcheck source=src/host/store-object.sh
. "$here/store-object.sh"
# shellcheck source=/dev/null
. "${INSTALL_CONF:-/etc/nixfleet/install.conf}"
STORE=$NIX/store

main() {
  [ "$(id -u)" = 0 ] || fail "only root can install: run it with sudo"
  case $# in
    1 | 2) ;;
    *)
      printf 'usage: nixfleet install DEVICE [--yes-wipe]\n\nThe disks of this machine, and what they hold:\n' >&2
      lsblk --exclude 7 --output PATH,SIZE,MODEL,FSTYPE,LABEL,MOUNTPOINT >&2 # 7: loop devices
      exit 2
      ;;
  esac
  device=$(readlink -f -- "$1") under=${RUNTIME:-/run/nixfleet}/install
  [ -b "$device" ] || fail "$1 is not a disk; lsblk lists those there are"
  partition=$device
  case $device in *[0-9]) partition=${device}p ;; esac
  export device partition under
  readRunning
  [ -e "$STORE/${running##*/}/cmdline" ] || fail "this machine runs no closure of nixfleet"
  mkdir -p -- "$under"
  exec 8>"$under.lock"
  flock --nonblock 8 || fail "another installation runs"
  unmountAll # what a killed run has left
  refuseUsed
  refuseSmall
  refuseKeyless
  confirm "${2:-}"
  trap 'abandon' EXIT
  trap 'exit 1' HUP INT TERM
  echo "making the partitions of $device"
  sh -c "$FORMAT" >/dev/null
  sh -c "$MOUNT" >/dev/null
  echo "copying the closure"
  mkdir -p -- "$under/nix/store"
  readPackages "$running"
  copyObject "$packages"
  copyObject "${running##*/}"
  [ -z "$KEEPS_ROOT" ] || cp -a -- "$STORE/${running##*/}/root/." "$under/"
  [ -z "$GRUB" ] || embedGrub
  echo "writing the boot entry"
  writeConf >"$under.parameters"
  sh "$here/add-generation.sh" --conf "$under.parameters" "$running"
  sync -f -- "$under/nix"
  unmountAll
  trap - EXIT
  echo "$HOST_NAME is on $device. Remove the disk that this runs from before you start it: both are labelled alike."
}

refuseUsed() {
  [ "$(lsblk --noheadings --nodeps --raw --output TYPE -- "$device")" != part ] || fail "$device is a partition: name the whole disk"
  used=$(lsblk --noheadings --list --output MOUNTPOINTS -- "$device" | grep -m 1 '[^ ]') || used=''
  [ -z "$used" ] || fail "$device is in use: it is mounted on $used"
}

refuseSmall() {
  [ "$(blockdev --getro "$device")" = 0 ] || fail "$device is read-only"
  size=$(($(blockdev --getsize64 "$device") / 1048576))
  [ "$size" -ge "$NEEDS" ] || fail "$device is too small: it has $size MiB, and the partitions of $HOST_NAME need $NEEDS"
}

refuseKeyless() {
  while IFS= read -r key; do
    [ -z "$key" ] || [ -s "$key" ] || fail "there is no $key, which is to hold what encrypts $device: write it, and run this again"
  done <<END
$KEYS
END
}

confirm() {
  echo "ALL OF THIS WILL BE LOST:"
  lsblk --output PATH,SIZE,MODEL,FSTYPE,LABEL -- "$device"
  case $1 in
    --yes-wipe) ;;
    '')
      printf 'To go on, type %s: ' "$device"
      read -r answer || answer=''
      [ "$answer" = "$device" ] || fail "it was not confirmed, so nothing was written"
      ;;
    *) fail "usage: nixfleet install DEVICE [--yes-wipe]" ;;
  esac
}

# An object gets its name when it is whole.
copyObject() {
  new=$under/nix/store/.new-$1
  cp -a -- "$STORE/$1" "$new"
  makeRootSubvolume "$new"
  sync -f -- "$under/nix"
  mv -T -- "$new" "$under/nix/store/$1"
}

# As src/deploy/grub.ts, which says what is where.
embedGrub() {
  core=$STORE/$packages/usr/lib/nixfleet/grub.img boot=$STORE/$packages/usr/lib/grub/i386-pc/boot.img
  to=$partition$GRUB_NUMBER
  start=$(($(partx --noheadings --raw --output START --nr "$GRUB_NUMBER" -- "$device") + 1024))
  sectors=$((($(stat -c %s -- "$core") + 511) / 512))
  dd if="$STORE/$packages/usr/lib/nixfleet/grub-environment.img" of="$to" conv=notrunc,fsync 2>/dev/null
  {
    dd if="$core" bs=500 count=1
    littleEndian 8 $((start + 1))
    littleEndian 2 $((sectors - 1))
    littleEndian 2 $((0x820))
    dd if="$core" bs=512 skip=1
  } 2>/dev/null | dd of="$to" bs=512 seek=1024 iflag=fullblock conv=notrunc,fsync 2>/dev/null
  {
    dd if="$boot" bs=1 count=$((0x5c))
    littleEndian 8 "$start"
    dd if="$boot" bs=1 skip=$((0x64)) count=2
    printf '\220\220'
    dd if="$boot" bs=1 skip=$((0x68)) count=$((440 - 0x68))
  } 2>/dev/null | dd of="$device" bs=440 count=1 iflag=fullblock conv=notrunc,fsync 2>/dev/null
}

# littleEndian COUNT NUMBER
littleEndian() {
  count=$1 value=$2
  while [ "$count" -gt 0 ]; do
    # shellcheck disable=SC2059 # the byte is the format
    printf "\\$(printf '%03o' $((value % 256)))"
    value=$((value / 256)) count=$((count - 1))
  done
}

writeConf() {
  cat -- "$CONF"
  echo "NIX='$under/nix' KERNEL_COMMAND_LINE=''"
  [ -z "$GRUB" ] || echo "GRUB='$partition$GRUB_NUMBER'"
  if [ -n "$ESP_NUMBER" ]; then
    if mountpoint -q -- "$under$ESP"; then
      echo "ESP='$under$ESP'"
    else
      echo "ESP='' ESP_IMAGE='$partition$ESP_NUMBER'" # this kernel has no vfat: by mtools
    fi
  fi
}

# However it ends before its end.
abandon() {
  unmountAll
  echo "nixfleet: $HOST_NAME is not on $device, which has lost what it held. Mend what is said above, and run it again" >&2
}

# Also what a killed FORMAT has left.
unmountAll() {
  for mounted in "$under" "$under.format"; do
    ! mountpoint -q -- "$mounted" || umount --recursive -- "$mounted"
  done
  while IFS= read -r name; do
    [ -z "$name" ] || [ ! -e "/dev/mapper/$name" ] || cryptsetup close -- "$name"
  done <<END
$OPENS
END
}

main "$@"
