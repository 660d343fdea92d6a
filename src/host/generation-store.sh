# shellcheck shell=sh disable=SC2034,SC2154 # set for those who source it, and by them
# The record of a host's generations: in $NIX/nixfleet/generations a file for each, called by its number, of three lines:
# the closure's store path, the time of its installation, what changed. And in $NIX/nixfleet/objects an empty file for
# each store object that came with one: what `gc` may ever delete.
# Sourced by the commands, with their own parameters, and with `here`, the folder of the scripts. `--conf FILE` comes first, or is /etc/nixfleet/generations.conf:
#   HOST_NAME            what entries are called by
#   NIX                  where the host's @nix is mounted
#   ESP, ESP_IMAGE       the EFI system partition, see esp.sh; both empty: there is none
#   GRUB                 of grub.sh; empty: it does not boot this host
#   LIMIT                how many generations stay
#   TIMEOUT, TRIES       of the menu, and of a generation that has not proved itself yet
#   KERNEL_COMMAND_LINE  where the running closure is named; empty: none of these generations runs
#   KERNEL_PARAMETERS    for entries, besides those of their closure

fail() {
  printf 'nixfleet: %s\n' "$1" >&2
  exit 1
}

# openGenerations SCRIPT ARGUMENTS…: makes /nix writable, for this process only, and locks the record.
openGenerations() {
  script=$1
  shift
  if [ ! -w "$NIX" ]; then
    [ "$(id -u)" = 0 ] || fail "only root can change generations: run it with sudo"
    if [ -z "${NIXFLEET_UNSHARED:-}" ]; then
      export NIXFLEET_UNSHARED=yes
      exec unshare --mount --propagation private -- sh "$script" --conf "$CONF" "$@"
    fi
    mount -o remount,bind,rw -- "$NIX" || fail "$NIX cannot be made writable"
  fi
  mkdir -p -- "$STATE/generations" "$STATE/objects"
  exec 9>"$STATE/lock"
  flock 9
  if [ -n "$ESP" ]; then
    mountpoint -q -- "$ESP" || fail "the EFI system partition is not mounted on $ESP: mount $ESP"
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
  sync -- "$STATE/generations/$1.new"
  mv -T -- "$STATE/generations/$1.new" "$STATE/generations/$1"
  sync -- "$STATE/generations"
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
  packages=$(readlink -- "$NIX/store/${1##*/}/usr") || packages=''
  packages=${packages#../}
  packages=${packages%/usr}
}

CONF=/etc/nixfleet/generations.conf
if [ "${1:-}" = --conf ]; then
  CONF=$2
  shift 2
fi
# shellcheck source=/dev/null
. "$CONF"
STATE=$NIX/nixfleet
# shellcheck source=src/host/esp.sh
. "$here/esp.sh"
# shellcheck source=src/host/systemd-boot.sh
. "$here/systemd-boot.sh"
# shellcheck source=src/host/grub.sh
. "$here/grub.sh"
# shellcheck source=src/host/prune-generations.sh
. "$here/prune-generations.sh"
