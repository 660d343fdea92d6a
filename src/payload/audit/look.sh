# shellcheck shell=sh disable=SC2034,SC2154 # set for those who source it, and by them
# How the commands that look at a host's roots begin. Sourced, with `here`, the folder of the scripts. `--conf FILE` comes
# first, or is /etc/nixfleet/audit.conf:
#   LABEL or DEVICE      the btrfs filesystem, as in filesystem.sh; both empty: the root is not ephemeral
#   RETENTION_DAYS       as in wipe.sh
#   KEEP_NEWEST          the same
#   STATE_ROOTS          lines: persist roots that are subvolumes of that filesystem, which state.sh makes snapshots of
#   PERSIST_ROOT         where the framework keeps what it has to remember
#   NIX_SUBVOLUME        which subvolume /nix is
#   NIX                  where that is mounted
#   KERNEL_COMMAND_LINE  where the booted closure is named
#   ROOT                 the root that runs: / but in tests
#   MOUNTPOINT           an empty folder, where the filesystem is mounted meanwhile

fail() {
  say "$1"
  exit 1
}

# apart SCRIPT ARGUMENTS…: goes on where nobody else sees its mounts. They end with it.
apart() {
  [ -z "${NIXFLEET_APART:-}" ] || return 0
  [ "$(id -u)" = 0 ] || fail "only root can do this: run it with sudo"
  [ -n "$LABEL$DEVICE" ] || fail "the root of this host is not ephemeral: there are no old roots"
  script=$1
  shift
  export NIXFLEET_APART=yes
  exec unshare --mount --propagation private -- /bin/sh "$script" --conf "$CONF" "$@"
}

# Makes the top level of the filesystem the current folder.
openFilesystem() {
  mkdir -p -- "$MOUNTPOINT"
  mountFilesystem
}

# Sets `running` to the subvolume that the host runs on, from the top level; empty where that is on another filesystem.
findRunning() {
  running='' own=''
  while read -r _ _ number source target _; do
    [ "$target" != "$MOUNTPOINT" ] || own=$number
    [ "$target" != "${ROOT%/}/" ] && [ "$target" != "$ROOT" ] || running="$number ${source#/}"
  done </proc/self/mountinfo
  case $running in "$own "*) running=${running#* } ;; *) running='' ;; esac
}

# Sets `closure` to the store path of the one that was booted; empty where the kernel command line names none.
findClosure() {
  closure='' words=''
  read -r words <"$KERNEL_COMMAND_LINE" || :
  set -f
  for word in $words; do
    case $word in nixfleet.closure=/nix/store/*) closure=${word#*=} ;; esac
  done
  set +f
}

# seeAs NAME SUBVOLUME: a read-only snapshot NAME of a subvolume, which goes with this process, or the next that makes it.
# Its name is one of those that no layout may have.
seeAs() {
  forget "$1"
  snapshots="$snapshots $1"
  message=$(btrfs subvolume snapshot -r "$2" "$1" 2>&1) || fail "$2 cannot be looked at: $message"
}

forget() {
  exists "$1" || return 0
  isSubvolume "$1" || fail "$1 is in the way, and is not NixFleet's; move it elsewhere"
  message=$(btrfs subvolume delete "$1" 2>&1) || fail "$1 cannot be deleted: $message"
}

forgetAll() {
  trap '' HUP INT TERM
  trap - EXIT
  for snapshot in $snapshots; do forget "$snapshot"; done
}

LABEL='' DEVICE='' KERNEL_COMMAND_LINE=/proc/cmdline ROOT=/ NIX=/nix MOUNTPOINT=/run/nixfleet/look
SEEN_ROOT=@root.seen SEEN_OTHER=@root.seen-other
RUNTIME=${RUNTIME:-/run/nixfleet}
mounted='' snapshots=''
CONF=/etc/nixfleet/audit.conf
if [ "${1:-}" = --conf ]; then
  CONF=$2
  shift 2
fi
# shellcheck source=/dev/null
. "$CONF"
# shellcheck source=src/payload/initrd/report.sh
. "$here/report.sh"
# shellcheck source=src/payload/host/lock.sh
. "$here/lock.sh"
if [ -n "$LABEL$DEVICE" ]; then
  # shellcheck source=src/payload/initrd/filesystem.sh
  . "$here/filesystem.sh"
  # shellcheck source=src/payload/initrd/old-roots.sh
  . "$here/old-roots.sh"
  # shellcheck source=src/payload/initrd/room.sh
  . "$here/room.sh"
  # shellcheck source=src/payload/initrd/take-back.sh
  . "$here/take-back.sh"
fi
