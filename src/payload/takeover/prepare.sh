#!/bin/sh
# Usage: prepare.sh FOLDER CLOSURE PORT PARAMETERS, as root on a machine that runs something else
# Adds what is this machine's own to the installer in FOLDER, and has the kernel keep the two in memory: its ssh keys, so
# that it is known after the kexec as it was before; the keys that let root in; its network. None of it leaves the machine.
set -eu
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
umask 077

main() {
  folder=$1 closure=$2 port=$3 parameters=$4
  own=$folder/own etc=$folder/own/nixfleet/etc
  at=$etc/nixfleet/takeover
  rm -rf -- "$own"
  (umask 022 && mkdir -p -- "$at" "$etc/systemd/network")
  mkdir -- "$at/keys"
  for key in /etc/ssh/ssh_host_*_key /etc/nixfleet/takeover/keys/ssh_host_*_key; do
    [ ! -s "$key" ] || cp -- "$key" "$at/keys/"
  done
  for keys in /root/.ssh/authorized_keys /root/.ssh/authorized_keys2 /etc/nixfleet/takeover/authorized_keys; do
    [ ! -s "$keys" ] || { cat -- "$keys" && echo; } >>"$at/authorized_keys"
  done
  printf '%s\n' "$closure" >"$at/closure"
  {
    printf 'Port %s\n' "$port"
    for key in "$at/keys"/*; do printf 'HostKey /etc/nixfleet/takeover/keys/%s\n' "${key##*/}"; done
  } >"$at/sshd-own.conf"
  # The installer itself may have no ip(8): it goes on with what it was given.
  if [ -d /etc/nixfleet/takeover ]; then
    cp -- /etc/systemd/network/10-carried-*.network "$etc/systemd/network/"
  else
    perl "$folder/network.pl" "$etc/systemd/network"
  fi
  chmod 644 "$etc/systemd/network"/*
  perl "$folder/cpio.pl" "$own" >>"$folder/initrd"
  perl "$folder/kexec.pl" load "$folder/vmlinuz" "$folder/initrd" "$parameters"
}

main "$@"
