#!/bin/sh
# Usage: switch-start.sh CLOSURE <LISTS
#
# Starts a switch to CLOSURE, which is in the store, as a unit of its own: it goes on when the connection is cut. LISTS are the
# files that switch.sh reads, each line behind the name of its file and a tab. Prints the switch's folder.
set -eu
export LC_ALL=C
umask 077
here=${0%/*} runs=/run/nixfleet/switch unit=nixfleet-switch.service
# shellcheck source=src/payload/host/lock.sh
. "$here/lock.sh"

takeLock "$runs/start.lock"
case $(systemctl is-active "$unit") in
  inactive | failed | unknown) ;;
  *)
    echo "nixfleet: another switch of this host is running: wait for its end, and run the command again; \`nixfleet status\` there says how far it is" >&2
    exit 2
    ;;
esac
rm -rf -- "$runs"/run.*
folder=$(mktemp -d "$runs/run.XXXXXX")
for name in list made closures placed confirm said problems; do : >"$folder/$name"; done
awk -F '\t' -v folder="$folder" '{ name = $1; sub(/^[^\t]*\t/, ""); print >(folder "/" name) }'
printf '%s\n' "$1" >"$folder/closure"
echo running >"$folder/outcome"
ln -sfnT -- "$folder" "$runs/current"
systemd-run --quiet --collect --unit="$unit" --description="Switch to $1" --property=Type=exec \
  --property=IgnoreSIGPIPE=no \
  --property=TimeoutStopSec=10min --property=StandardOutput="append:$folder/said" \
  --property=StandardError="append:$folder/problems" \
  --property=ExecStopPost="/bin/sh $here/switch-end.sh $folder" /bin/sh "$here/switch.sh" "$folder"
printf '%s\n' "$folder"
