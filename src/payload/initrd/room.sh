# shellcheck shell=sh disable=SC2154,SC2034 # set for those who source it, and by them
# Room on a filesystem that is full. Every user can fill it, its metadata too, and then nothing can be renamed. So the
# subvolume @root.reserve holds some: whoever needs room at boot gives that up, then snapshots of what persists, then the
# oldest old roots, but never the newest. Half made or half deleted, it is a smaller reserve.
# Sourced by wipe.sh and prune.sh, after old-roots.sh. The current folder is the top level of the filesystem.

OLD_STATES=old_state${OLD_ROOTS#old_roots}
RESERVE=@root.reserve RESERVE_MIB=4 full='' room='' awaited=''

# withRoom COMMAND…: the command, as often as room can be made for it. Its messages are then in `message`; `full` is set where
# there was none, and `room` to what was deleted for it.
withRoom() {
  until message=$("$@" 2>&1); do
    case $message in *'No space left on device'*) ;; *) return 1 ;; esac
    full=$message
    makeRoom || {
      message=$full
      return 1
    }
  done
}

# What is deleted takes its room until btrfs has cleaned up behind it.
makeRoom() {
  if isSubvolume "$RESERVE"; then
    btrfs subvolume delete "$RESERVE" >/dev/null || return 1
    room="the reserve"
    say "the filesystem is full: deleted the reserve"
  elif [ -n "$awaited" ] && deleteOldestState; then
    room="${room:+$room, }$state"
    say "the filesystem is full: $state, a snapshot of what persists, is deleted"
  elif [ -n "$awaited" ]; then
    deleteOldest || return 1
    room="${room:+$room, }old_roots/$victim"
    pruned="$pruned$victim
"
    say "the filesystem is full: deleted the old root $victim early"
  fi
  awaited=yes # the first time also for what was deleted before a crash
  awaitCleaning
}

# Sets `victim` to the oldest old root that can be deleted and is not the newest.
deleteOldest() {
  [ ! -L old_roots ] || return 1
  set --
  # shellcheck disable=SC2046,SC2086 # names of this form have nothing that the shell would split
  for path in $(stat -c %i:%n -- $OLD_ROOTS 2>/dev/null); do
    case $path in 256:*) set -- "$@" "${path#256:old_roots/}" ;; esac
  done
  while [ "$#" -gt 1 ]; do
    victim=$1
    ! deleteOldRoot "$1" || return 0
    shift
  done
  return 1
}

# Sets `state` to the oldest snapshot of what persists, which is deleted: of all that there is twice, it is missed least.
deleteOldestState() {
  [ ! -L old_state ] || return 1
  # shellcheck disable=SC2086 # the pattern is to be expanded
  for state in $OLD_STATES; do
    [ -d "$state" ] && [ ! -L "$state" ] && deleteState "$state" && return 0
  done
  return 1
}

# It is a folder with a snapshot of each persist root, called by a number, and with `info`: see state.sh.
deleteState() {
  for snapshot in "$1"/[0-9]*; do
    ! isSubvolume "$snapshot" || btrfs subvolume delete "$snapshot" >/dev/null 2>&1 || return 1
  done
  rm -f -- "$1/info" && rmdir -- "$1" 2>/dev/null
}

awaitCleaning() {
  message=$(btrfs filesystem sync . 2>&1 && btrfs subvolume sync . 2>&1) || say "cannot sync the filesystem: $message"
}

# Sets `short` to what is free, in words, if that is little; and RESERVE_MIB, which a small filesystem has less of. Of what no
# kind of block has yet, metadata that is kept twice can have half.
readRoom() {
  short=''
  usage=$(btrfs filesystem usage -b . 2>&1) || return 0
  size=$(numberAfter 'Device size:') data=$(numberAfter 'Free (estimated):')
  metadata=$(numberAfter '.*etadata,[^:]*: *Size:') used=$(numberAfter '.*etadata,.*Used:')
  metadata=$((metadata - used - $(numberAfter 'Global reserve:') + $(numberAfter 'Device unallocated:') / 2))
  size=$((size / 1048576)) data=$((data / 1048576)) metadata=$((metadata / 1048576)) enough=$((size / 32))
  RESERVE_MIB=$((size / 256))
  [ "$RESERVE_MIB" -gt 4 ] || RESERVE_MIB=4
  [ "$RESERVE_MIB" -lt 16 ] || RESERVE_MIB=16
  [ "$enough" -lt 1024 ] || enough=1024
  if [ "$data" -lt "$enough" ] || [ "$metadata" -lt $((RESERVE_MIB * 2)) ]; then
    short="$data MiB are free for data, $metadata for metadata"
  fi
}

# Prints the first number of `usage` that follows such words; 0 where there is none.
numberAfter() {
  printf '%s\n0\n' "$usage" | sed -n "s/^ *$1[^0-9]*\([0-9][0-9]*\).*/\1/p; \$p" | head -n 1
}

# Fills the reserve up to RESERVE_MIB of metadata: with links, since what a link says takes no room for data. Three of them
# fill a block of 16 KiB. True if it is whole.
fillReserve() {
  exists "$RESERVE" || btrfs subvolume create "$RESERVE" >/dev/null 2>&1 || return 1
  isSubvolume "$RESERVE" || return 1
  set -- "$RESERVE"/*
  exists "$1" || set --
  number=$# whole=$((RESERVE_MIB * 192))
  long=$(printf '%03890d' 0)
  while [ "$number" -lt "$whole" ]; do
    numbers='' last=$((number + 192))
    while [ "$number" -lt "$last" ]; do
      number=$((number + 1)) numbers="$numbers $number"
    done
    # shellcheck disable=SC2046,SC2086 # none of them has blanks
    ln -s -f -t "$RESERVE" -- $(printf "$long/%s\\n" $numbers) 2>/dev/null || return 1
  done
}
