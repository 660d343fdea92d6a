#!/bin/sh
# Makes what programs need that is each host's own, and so is in no closure: what their packages' installation makes
# elsewhere. What is there stays. To keep one over boots, declare its folder or file as persistent.
set -eu
umask 077

# missing PATH PROGRAM: whether it is to be made here.
missing() { [ ! -e "$1" ] && [ -d "${1%/*}" ] && command -v "$2" >/dev/null; }

main() {
  failed=''
  ! missing /etc/bind/rndc.key rndc-confgen || rndc-confgen -a -u bind || failed="$failed /etc/bind/rndc.key"
  ! missing /etc/munge/munge.key mungekey || mungeKey || failed="$failed /etc/munge/munge.key"
  ! missing /etc/nvme/hostnqn nvme || nvmeIds || failed="$failed /etc/nvme/hostnqn"
  ! missing /etc/ssl/private/ssl-cert-snakeoil.key make-ssl-cert || make-ssl-cert generate-default-snakeoil ||
    failed="$failed /etc/ssl/private/ssl-cert-snakeoil.key"
  [ -z "$failed" ] || {
    echo "nixfleet: cannot create:$failed" >&2
    exit 1
  }
}

mungeKey() { mungekey --create && chown munge: /etc/munge/munge.key && chmod 0400 /etc/munge/munge.key; }

nvmeIds() {
  (umask 022 && nvme gen-hostnqn >/etc/nvme/hostnqn && sed 's/.*:uuid://' /etc/nvme/hostnqn >/etc/nvme/hostid)
}

main
