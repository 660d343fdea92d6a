# shellcheck shell=sh disable=SC2034,SC2154 # set for those who source it, and by them
# The record of a host's generations: in $NIX/nixfleet/generations a file for each, called by its number, of three lines:
# the closure's store path, the time of its installation, what changed. And in $NIX/nixfleet/objects an empty file for
# each store object that came with one: what `gc` may ever delete.
# Sourced by the commands, with their own parameters, and with `here`, the folder of the scripts. `--conf FILE` comes first, or is /etc/nixfleet/generations.conf:
#   HOST_NAME            what entries are called by
#   NIX                  where the host's @nix is mounted
#   ESPS                 the EFI system partitions, see esp.sh; empty: there is none
#   GRUB                 of grub.sh; empty: it does not boot this host
#   LIMIT                how many generations stay
#   TIMEOUT, TRIES       of the menu, and of a generation that has not proved itself yet
#   KERNEL_COMMAND_LINE  where the running closure is named; empty: none of these generations runs
#   KERNEL_PARAMETERS    for entries, besides those of their closure
#   LABELS, DISKS        of own-disks.sh

# openGenerations SCRIPT ARGUMENTS…: makes /nix writable, for this process only, and locks the record.
openGenerations() {
  [ -w "$NIX" ] || [ "$(id -u)" = 0 ] || fail "only root can change generations: run it with sudo"
  makeWritable "$@"
  mkdir -p -- "$STATE/generations" "$STATE/objects"
  takeLock "$STATE/locks/record"
  rm -f -- "$STATE/lock" # what older versions locked, which any user could
  nameDisks
  leaveOutMissingEsps
}

# makeWritable SCRIPT ARGUMENTS…
makeWritable() {
  script=$1
  shift
  if [ ! -w "$NIX" ]; then
    if [ -z "${NIXFLEET_UNSHARED:-}" ]; then
      export NIXFLEET_UNSHARED=yes
      exec unshare --mount --propagation private -- sh "$script" --conf "$CONF" "$@"
    fi
    mount -o remount,bind,rw,nosuid,nodev -- "$NIX" || fail "cannot make $NIX writable"
  fi
}

# Sets `numbers`, oldest first.
readNumbers() {
  numbers=$(for file in "$STATE/generations"/*; do
    name=${file##*/}
    case $name in '' | *[!0-9]*) ;; *) printf '%s\n' "$name" ;; esac
  done | sort -n)
}

# Sets `closure`, `date` and `changes` of a generation.
readGeneration() {
  closure='' date='' changes=''
  {
    read -r closure
    read -r date
    read -r changes
  } <"$STATE/generations/$1" || :
}

# writeGeneration NUMBER CLOSURE DATE CHANGES
writeGeneration() {
  printf '%s\n' "$2" "$3" "$4" >"$STATE/generations/$1.new"
  replaceFile "$STATE/generations/$1"
}

# replaceFile FILE: FILE.new takes its place, complete, also when the power fails.
replaceFile() {
  sync -- "$1.new"
  mv -T -- "$1.new" "$1"
  sync -- "${1%/*}"
}

# Sets `running` to the closure that runs here; empty: none of this store.
readRunning() {
  running='' words=''
  [ -z "$KERNEL_COMMAND_LINE" ] || read -r words <"$KERNEL_COMMAND_LINE" || :
  set -f
  for word in $words; do
    case $word in nixfleet.closure=*) running=${word#*=} ;; esac
  done
  set +f
}

# Sets `packages` to the name of the package object that a closure, by its store path, refers to.
readPackages() {
  packages=$(packagesOf "$NIX/store/${1##*/}")
}

CONF=/etc/nixfleet/generations.conf
if [ "${1:-}" = --conf ]; then
  CONF=$2
  shift 2
fi
# shellcheck source=/dev/null
. "$CONF"
STATE=$NIX/nixfleet
# shellcheck source=src/payload/host/store-object.sh
. "$here/store-object.sh"
# shellcheck source=src/payload/host/lock.sh
. "$here/lock.sh"
# shellcheck source=src/payload/host/esp.sh
. "$here/esp.sh"
espsLeft=$ESPS
useEsp
# shellcheck source=src/payload/host/own-disks.sh
. "$here/own-disks.sh"
# shellcheck source=src/payload/host/systemd-boot.sh
. "$here/systemd-boot.sh"
# shellcheck source=src/payload/host/grub.sh
. "$here/grub.sh"
# shellcheck source=src/payload/host/prune-generations.sh
. "$here/prune-generations.sh"
