#!/bin/sh
# Usage: nixfleet agent [--once | --status | enrol [URL] | clear RELEASE]
# Does what the control plane wants of this host, once; or says what the agent knows, enrols this host, forgets a rejection.
#
# enrol reads the token that `nixfleet machines enrol HOST` printed from stdin, or from --token-file FILE.
set -eu
runtime=/etc/nixfleet/runtime

[ "$(id -u)" = 0 ] || {
  echo 'nixfleet: only root can read what the agent keeps: run it with sudo' >&2
  exit 1
}
exec "$runtime/bin/node" "$runtime/lib/nixfleet/agent.js" agent "$@"
