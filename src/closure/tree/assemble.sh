#!/bin/sh
# Runs mmdebstrap with the arguments given, so that nothing of the builder's environment gets into the tree.
# From the environment: SOURCE_DATE_EPOCH, and what customize.sh wants.
set -eu
umask 022

# In a process group that dies with this shell's parent, and with its own mounts and processes: whatever ends the
# build, nothing of it stays mounted or goes on writing. What the builder unmounts meanwhile is unmounted there too.
# INITRD=No keeps the kernel's hook from making an initrd for the builder: customize.sh makes a generic one.
# mmdebstrap shows the tree this machine's /dev/shm, with the files and mounts of others: so it gets an empty one. In a user
# namespace, what is mounted below the other could not be left out, and the mount would fail.
# shellcheck disable=SC2016 # for the shell inside
exec setpriv --pdeathsig KILL -- unshare --mount --propagation slave --pid --fork --kill-child --mount-proc -- \
  sh -euc '[ ! -d /dev/shm ] || mount -t tmpfs tmpfs /dev/shm; exec "$@"' sh \
  env -i \
  HOME=/root TERM=dumb TZ=UTC LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  TMPDIR="$TMPDIR" \
  SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
  INITRD=No \
  NIXFLEET_CUSTOMIZE="$NIXFLEET_CUSTOMIZE" \
  NIXFLEET_LOCALES="$NIXFLEET_LOCALES" \
  NIXFLEET_NODE="$NIXFLEET_NODE" \
  NIXFLEET_RENUMBER="$NIXFLEET_RENUMBER" \
  NIXFLEET_IDS="$NIXFLEET_IDS" \
  mmdebstrap "$@"
