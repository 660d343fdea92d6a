#!/bin/sh
# Usage: emergency.sh cause | retry
# In emergency mode, of the initrd or of the host: says in one line what has stopped the boot; and where its generation has
# not proved itself yet, starts the machine again, so that the boot loader goes on to the one before when no try is left.
set -eu
export LC_ALL=C
BOOT_COUNT=/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
WAIT=60

main() {
  case ${1:-} in
    cause) sayCause ;;
    retry) isOnTrial && retry ;;
  esac
}

# What members.sh says of it, or else the first that systemd says: the rest are its consequences.
sayCause() {
  if read -r cause 2>/dev/null </run/nixfleet/cause; then
    say "THE BOOT HAS STOPPED: $cause"
    return 0
  fi
  cause=$(journalctl --boot --output=cat --no-pager _PID=1 2>/dev/null |
    grep -m 1 -E '^(Timed out waiting for|Failed to (start|mount|activate)|Dependency failed for) ') || cause='see journalctl --boot'
  say "THE BOOT HAS STOPPED: $cause"
}

# GRUB says so on the kernel command line. systemd-boot counts, in the name of the entry: nixfleet-7+2-1.conf has 2 tries
# left, and 1 is done. More are done than any generation has, where none is left to go on to.
isOnTrial() {
  case " $(cat /proc/cmdline) " in *' nixfleet.trial '*) return 0 ;; esac
  [ -e "$BOOT_COUNT" ] || return 1
  case $(tr -cd '[:print:]' <"$BOOT_COUNT") in *+0-[1-9][0-9]*) return 1 ;; esac
}

retry() {
  say "this generation has not come up yet, so the machine reboots in $WAIT seconds. To stay here, run: systemctl stop nixfleet-retry"
  sleep "$WAIT"
  exec systemctl reboot --force
}

say() {
  printf 'nixfleet: %s\n' "$1"
}

main "$@"
