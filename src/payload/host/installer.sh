#!/bin/sh
# Says to who logs in what this disk is for: `nixfleet image --installer` has made it.
set -eu
# shellcheck source=/dev/null
. "${CONF:-/etc/nixfleet/generations.conf}"
motd=${MOTD:-/run/motd.d/nixfleet-installer}

mkdir -p -- "${motd%/*}"
cat >"$motd" <<END

This disk installs the host $HOST_NAME. No network is needed.

  nixfleet install            lists the disks of this machine, and says what to give
  nixfleet install /dev/sdX   erases that disk and installs $HOST_NAME on it; it asks first

END
