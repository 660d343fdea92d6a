#!/bin/sh
# Usage: look.sh, as root on a machine that runs something else. Changes nothing.
# Prints what an installation over ssh has to know, NAME, a tab and a value each; of disks and modules several lines.
set -eu
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\t%s\n' "$1" "$2"; }

main() {
  say uid "$(id -u)"
  say processor "$(uname -m)"
  # shellcheck source=/dev/null
  say system "$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-}")"
  say boot "$(cat /proc/sys/kernel/random/boot_id)"
  say installer "$(cat /etc/nixfleet/takeover/closure 2>/dev/null || :)"
  for program in perl ip lsblk tar mount; do
    [ "$program" != ip ] || [ ! -d /etc/nixfleet/takeover ] || continue
    command -v "$program" >/dev/null || say missing "$program"
  done
  memory MemTotal memory
  memory MemAvailable available
  if [ -d /sys/firmware/efi ]; then say firmware uefi; else say firmware bios; fi
  [ -e /sys/kernel/kexec_loaded ] || say no-kexec yes
  say kexec-disabled "$(cat /proc/sys/kernel/kexec_load_disabled 2>/dev/null || echo 0)"
  tr ' ' '\n' </proc/cmdline | sed -n 's/^console=./console\t&/p'
  say lockdown "$(sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/security/lockdown 2>/dev/null || :)"
  # Of this very connection: CLIENT PORT SERVER PORT.
  # shellcheck disable=SC2086
  set -- ${SSH_CONNECTION:-}
  say address "${3:-}"
  say port "${4:-}"
  for keys in /root/.ssh/authorized_keys /root/.ssh/authorized_keys2 /etc/nixfleet/takeover/authorized_keys; do
    ! grep -q '^[^#]' "$keys" 2>/dev/null || say keys "$keys"
  done
  for key in /etc/ssh/ssh_host_*_key /etc/nixfleet/takeover/keys/ssh_host_*_key; do
    [ ! -s "$key" ] || say host-key "${key##*/}"
  done
  if [ -d /etc/nixfleet/takeover ]; then
    sed -n 's/^Address=\([^/]*\).*/carried\t\1/p' /etc/systemd/network/10-carried-*.network
  elif command -v ip >/dev/null; then
    interfaces
  fi
  ! command -v lsblk >/dev/null || disks
}

memory() { say "$2" "$(sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo)"; }

# Addresses of what is a device of its own, and the modules that drive it: what a bridge or a bond has is not carried over.
interfaces() {
  for interface in /sys/class/net/*; do
    [ -e "$interface/device" ] || continue
    for address in $(ip -o address show dev "${interface##*/}" scope global | sed -n 's/.* inet6\{0,1\} \([^ /]*\).*/\1/p'); do
      say carried "$address"
    done
    modules "$interface/device"
  done
}

disks() {
  say disks "$(lsblk --json --bytes --output PATH,TYPE,SIZE,MODEL,SERIAL,WWN,RO,FSTYPE,LABEL,MOUNTPOINT,PTUUID,UUID | tr -d '\n\t')"
  for disk in /sys/block/*; do
    [ ! -e "$disk/device" ] || modules "$disk/device"
  done
}

# modules DEVICE: of it and of what it is attached to.
modules() {
  device=$(readlink -f "$1")
  while [ "$device" != /sys/devices ] && [ "$device" != / ]; do
    [ ! -e "$device/driver/module" ] || say module "$(basename "$(readlink -f "$device/driver/module")")"
    device=${device%/*}
    [ -n "$device" ] || device=/
  done
}

main
