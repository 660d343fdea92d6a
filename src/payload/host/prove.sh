#!/bin/sh
# Usage: prove.sh
#
# Takes the host back unless the agent of the generation that was booted proves it in time: without a network, and whatever is
# wrong with that agent. The file `proving`, which the agent writes before it reboots, has the closure and the seconds that it
# has; it goes once the generation is proved. Seconds are counted, so no clock matters.
set -eu
here=${0%/*} memory=${MEMORY:-/var/lib/nixfleet} runtime=${RUNTIME:-/run/nixfleet} cmdline=${KERNEL_COMMAND_LINE:-/proc/cmdline}
proving=$memory/proving proved=$runtime/proved

main() {
  [ -e "$proving" ] || exit 0
  closure='' confirm=''
  {
    read -r closure
    read -r confirm
  } <"$proving" || :
  case $confirm in '' | *[!0-9]*) confirm=360 ;; esac
  # Another one boots: this one was passed over, or never became a generation. Its agent reads the file.
  isBooted "$closure" || exit 0
  while [ ! -e "$proved" ]; do
    [ "$confirm" -gt 0 ] || goBack
    confirm=$((confirm - 1))
    sleep 1
  done
  rm -f -- "$proving"
  sync -- "$memory"
}

isBooted() {
  read -r words <"$cmdline"
  case " $words " in *" nixfleet.closure=$1 "*) return 0 ;; esac
  return 1
}

goBack() {
  echo 'nixfleet: this generation has not proved itself in time: the host goes back to the one before' >&2
  sh "$here/rollback.sh"
  sync -f -- "$memory"
  systemctl --no-block reboot
  exit 1
}

main
