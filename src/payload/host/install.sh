#!/bin/sh
# Usage: nixfleet install DEVICE [--yes-wipe]
#        nixfleet install NAME=DEVICE… [--yes-wipe]    a host with several disks
# Puts this very host onto other disks, without a network; they lose all that they hold.
#
# So an image of a host on a USB stick is its installer. The disks get the layout that the host declares, the running
# closure, a boot loader and a first generation; nothing of what persists here. Interrupted, it can be run again.
# Besides the parameters of generation-store.sh, /etc/nixfleet/install.conf (or INSTALL_CONF) has:
#   FORMAT, MOUNT        scripts that do that to $device1 …, whose first partition is ${partition1}1; MOUNT below $under
#   TARGETS              a line for each disk: how large it has to be for that, in MiB, and its name
#   KEYS                 files with a passphrase or a key, a line each, that FORMAT reads
#   OPENS                the names by which FORMAT and MOUNT open what is encrypted, a line each
#   KEEPS_ROOT           `yes` where no wipe makes the root
#   ESP_PARTITIONS       a line for each that UEFI reads: the number of the disk, of the partition, where it is mounted
#   GRUB_TARGET          the number of the disk that a BIOS reads; empty: none
# FIRST in the environment is a folder of what is to be there at the first boot besides, by its path on the host.
set -eu
export LC_ALL=C
umask 022
here=${0%/*}
# shellcheck source=src/payload/host/generation-store.sh
. "$here/generation-store.sh"
# shellcheck source=/dev/null
. "${INSTALL_CONF:-/etc/nixfleet/install.conf}"
STORE=$NIX/store

main() {
  [ "$(id -u)" = 0 ] || fail "only root can install: run it with sudo"
  agreed='' given='' devices='' count=0 under=${RUNTIME:-/run/nixfleet}/install
  for argument; do
    case $argument in
      --yes-wipe) agreed=yes ;;
      -*) usage ;;
      *) given="$given$argument$LINE_BREAK" ;;
    esac
  done
  [ -n "$given" ] || usage
  # Not in a pipe: it sets variables.
  while read -r needs name; do
    count=$((count + 1))
    setTarget "$count" "$name"
  done <<END
$TARGETS
END
  [ "$(printf %s "$given" | grep -c .)" = "$count" ] || usage
  export under
  readRunning
  [ -e "$STORE/${running##*/}/cmdline" ] || fail "this machine does not run a NixFleet closure"
  mkdir -p -- "$under"
  (umask 077 && : >>"$under.lock") # whoever can open it can hold the lock
  exec 8>"$under.lock"
  flock --nonblock 8 || fail "another installation is running"
  unmountAll # what a killed run has left
  number=0
  while read -r needs name; do
    number=$((number + 1))
    eval "device=\$device$number"
    refuseUsed
    refuseSmall
  done <<END
$TARGETS
END
  refuseKeyless
  confirm
  trap 'abandon' EXIT
  trap 'exit 1' HUP INT TERM
  echo "making the partitions of $devices"
  sh -c "$FORMAT" >/dev/null
  sh -c "$MOUNT" >/dev/null
  writeConf >"$under.parameters"
  sh "$here/place-host.sh" --conf "$under.parameters" "$running"
  sync -f -- "$under/nix"
  [ -z "${FIRST:-}" ] || { cp -a -- "$FIRST/." "$under/" && sync; }
  unmountAll
  trap - EXIT
  echo "$HOST_NAME is on $devices. Remove the disks that this machine runs from before you boot it: they have the same labels."
}

usage() {
  printf 'usage: nixfleet install' >&2
  case $TARGETS in
    *"$LINE_BREAK"*) printf '%s\n' "$TARGETS" | sed 's/^[0-9]* \(.*\)/ \1=DEVICE/' | tr -d '\n' >&2 ;;
    *) printf ' DEVICE' >&2 ;;
  esac
  printf ' [--yes-wipe]\n\nThe disks of this machine, and what they hold:\n' >&2
  lsblk --exclude 7 --output PATH,SIZE,MODEL,FSTYPE,LABEL,MOUNTPOINT >&2 # 7: loop devices
  exit 2
}

# setTarget NUMBER NAME: exports deviceNUMBER and partitionNUMBER.
setTarget() {
  asked=$(printf %s "$given" | while IFS= read -r one; do
    case $one in "$2="*) printf '%s\n' "${one#"$2="}" ;; esac
  done)
  case $TARGETS,$given in
    *"$LINE_BREAK"*,*) ;;
    *) [ -n "$asked" ] || asked=${given%"$LINE_BREAK"} ;;
  esac
  [ -n "$asked" ] || usage
  device=$(readlink -f -- "$asked") || device=''
  [ -b "$device" ] || fail "$asked is not a disk; run lsblk to list the disks"
  case " $devices " in *" $device "*) fail "$device is given for two disks" ;; esac
  devices="$devices${devices:+ }$device"
  namePartitions
  export "device$1=$device" "partition$1=$partition"
}

# Sets `partition` to what the names of its partitions begin with. The kernel sets a number apart from one by a `p`.
namePartitions() {
  case $device in *[0-9]) partition=${device}p ;; *) partition=$device ;; esac
}

refuseUsed() {
  [ "$(lsblk --noheadings --nodeps --raw --output TYPE -- "$device")" != part ] || fail "$device is a partition: name the whole disk"
  used=$(lsblk --noheadings --list --output MOUNTPOINTS -- "$device" | grep -m 1 '[^ ]') || used=''
  [ -z "$used" ] || fail "$device is in use: it is mounted on $used"
}

refuseSmall() {
  [ "$(blockdev --getro "$device")" = 0 ] || fail "$device is read-only"
  size=$(($(blockdev --getsize64 "$device") / 1048576))
  [ "$size" -ge "$needs" ] || fail "$device is too small: it has $size MiB, and the partitions of $HOST_NAME need $needs"
}

refuseKeyless() {
  while IFS= read -r key; do
    [ -z "$key" ] || [ -s "$key" ] || fail "there is no $key, which must hold the key or passphrase for $device: write it, then run this again"
  done <<END
$KEYS
END
}

confirm() {
  echo "This erases everything on $devices:"
  # shellcheck disable=SC2086 # devices have no blanks
  lsblk --output PATH,SIZE,MODEL,FSTYPE,LABEL -- $devices
  [ -z "$agreed" ] || return 0
  printf 'To go on, type %s: ' "$devices"
  read -r answer || answer=''
  [ "$answer" = "$devices" ] || fail "not confirmed, so nothing was written"
}

writeConf() {
  cat -- "$CONF"
  echo "NIX='$under/nix' KERNEL_COMMAND_LINE='' DISKS='$(printf '%s\n' "$devices" | tr ' ' '\n')'"
  disk=''
  eval "disk=\${device${GRUB_TARGET:-1}} partition=\${partition${GRUB_TARGET:-1}}"
  echo "FROM='$STORE' ROOT='$under' KEEPS_ROOT='$KEEPS_ROOT' DISK='$disk'"
  [ -z "$GRUB" ] || echo "GRUB='$partition$GRUB_NUMBER'"
  [ -z "$ESP_PARTITIONS" ] || echo "ESPS='$(espPlaces)'"
}

espPlaces() {
  printf '%s\n' "$ESP_PARTITIONS" | while read -r target number mountpoint; do
    if mountpoint -q -- "$under$mountpoint"; then
      printf '%s\n' "$under$mountpoint"
    else
      eval "printf 'unmounted:%s%s\n' \"\$partition$target\" $number" # this kernel has no vfat: by mtools
    fi
  done
}

# If it stops before finishing.
abandon() {
  unmountAll
  echo "nixfleet: $HOST_NAME is not installed, and $devices has been erased. Fix the cause above, then run this again" >&2
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
