#!/bin/sh
# Usage: nixfleet control-plane backup FILE | restore FILE
# Backs this host's control plane up to a file, or restores it from one: end the service before you restore.
#
# It runs as the control plane's own user, so FILE has to be where that may write, such as /var/lib/nixfleet-cp/backup.tar.
set -eu
runtime=/etc/nixfleet/runtime

case ${1:-} in
  backup | restore) ;;
  *)
    echo 'usage: nixfleet control-plane backup FILE | restore FILE' >&2
    exit 2
    ;;
esac
[ "$(id -u)" = 0 ] || {
  echo 'nixfleet: only root can read what the control plane keeps: run it with sudo' >&2
  exit 1
}
exec runuser -u nixfleet-cp -- "$runtime/bin/node" "$runtime/lib/nixfleet/control-plane.js" control-plane "$@" \
  --state /var/lib/nixfleet-cp
