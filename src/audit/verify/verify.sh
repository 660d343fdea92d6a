#!/bin/sh
# Asks the programs of a built closure what they think of its files: verify.sh CLOSURE FOLDER UNIT…, with an empty folder to show it in
#
# It shows the closure as its host will see it, in a mount namespace of its own that ends with this script, and runs the closure's
# own systemd-analyze and visudo there. What they say goes to stdout, a line each, after the name of who says it and a tab.
set -eu
export LC_ALL=C
closure=$1
at=$2
shift 2

main() {
  # Whatever is mounted from here on is seen by nobody else.
  mount --bind "$closure/root" "$at"
  mount --bind "$closure/usr/" "$at/usr"
  for folder in run tmp; do mount -t tmpfs nixfleet "$at/$folder"; done
  for folder in proc dev; do mount --rbind "/$folder" "$at/$folder"; done
  if [ $# -gt 0 ]; then asked systemd-analyze verify --man=no --generators=no --recursive-errors=no -- "$@"; fi
  if [ -x "$at/usr/sbin/visudo" ]; then asked visudo -c -f /etc/sudoers; fi
}

# A program that cannot run here at all, as for another processor, says nothing of the closure.
asked() {
  status=0
  said=$(chroot "$at" "$@" 2>&1 >/dev/null) || status=$?
  if [ "$status" -ge 126 ]; then printf 'nixfleet\t%s cannot run here\n' "$1"; return; fi
  if [ -n "$said" ]; then printf '%s\n' "$said" | sed "s/^/$1	/"; fi
}

main "$@"
