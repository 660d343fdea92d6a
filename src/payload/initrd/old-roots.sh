# shellcheck shell=sh
# Old roots: their names, which of them are due, and how one is deleted with all that is nested in it.
# Sourced by wipe.sh and prune.sh. The current folder is the top level of the filesystem.
#
# A name is the time of the retirement in UTC, so that names sort as time does: 20261123T000312.000Z. The same as a
# number is 20261123000312000, which the shell can compare and count on from. One that is called NAME.kept is nobody's to
# delete: `nixfleet roots keep`, and what was no subvolume.

OLD_ROOTS='old_roots/[1-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9].[0-9][0-9][0-9]Z'

# Sets `now`, and `cutoff` which is RETENTION_DAYS before it, as such numbers. NOW, for tests, is a date in UTC.
readClock() {
  clock=$(
    date -u -f - +%Y%m%d%H%M%S000 <<EOF
${NOW:-now}
${NOW:-now} $RETENTION_DAYS days ago
EOF
  ) || fail "cannot read the clock"
  now=${clock%?????????????????} cutoff=${clock#"$now"}
  now=${now%?}
  # A date before the year 1000 has other digits, and would be taken for one of the future.
  case $now,$cutoff in *[!0-9,]*) now='' ;; esac
  [ "${#now},${#cutoff}" = 17,17 ] || fail "cannot compute the date $RETENTION_DAYS days ago"
}

# Sets `newest` to the number of the newest name in old_roots, whatever has it; 0 where there is none.
findNewest() {
  newest=0
  # shellcheck disable=SC2086 # the pattern is to be expanded
  for path in $OLD_ROOTS; do :; done
  ! exists "$path" || toNumber "$path" newest
  # shellcheck disable=SC2086
  for path in $OLD_ROOTS.kept; do :; done
  exists "$path" || return 0
  toNumber "${path%.kept}" newestKept
  [ "${newestKept:?}" -le "$newest" ] || newest=$newestKept
}

# toNumber NAME VARIABLE
toNumber() {
  digits=${1#old_roots/} digits=${digits%Z}
  fraction=${digits#*.} digits=${digits%.*}
  eval "$2=\${digits%T*}\${digits#*T}\$fraction"
}

# Sets `name` to the name of the number $1.
toName() {
  name=${1%?????????} fraction=${1#??????????????}
  name=${name}T${1#"$name"}
  name=${name%???}.${fraction}Z
}

# Sets `due` to the names, each on a line, of old roots that may be deleted, the oldest first. It looks only at the oldest $1 names and
# at the newest KEEP_NEWEST, so that its cost grows little with their number. What is not a subvolume is not counted:
# then fewer are due, never more.
chooseDue() {
  due='' limit=$1
  findNewest
  [ "$newest" != 0 ] || return 0
  # Within a second the fraction is a counter, which says nothing about the clock.
  [ "$((now + 999))" -ge "$newest" ] || {
    say "nothing is pruned: the clock says $now, which is before the newest old root, $newest"
    return 0
  }
  # shellcheck disable=SC2086
  set -- $OLD_ROOTS
  toNumber "$1" oldest
  [ "${oldest:?}" -lt "$cutoff" ] || return 0
  looked='' index=0 last=$(($# - KEEP_NEWEST))
  for path; do
    [ "$index" -ge "$limit" ] && [ "$index" -lt "$last" ] || looked="$looked $path"
    index=$((index + 1))
  done
  # shellcheck disable=SC2086 # names of this form have nothing that the shell would split
  looked=$(stat -c %i:%n -- $looked) || :
  set --
  for path in $looked; do
    case $path in 256:*) set -- "$@" "${path#256:old_roots/}" ;; esac
  done
  while [ "$#" -gt "$KEEP_NEWEST" ]; do
    toNumber "$1" oldest
    [ "$oldest" -lt "$cutoff" ] || break
    due="$due$1
"
    shift
  done
}

# Deletes all that are due, a thousand at a time for as long as that achieves something, and adds them to `pruned`.
# What it could not delete is then in `due`.
deleteDueRoots() {
  before=-
  while [ "$pruned" != "$before" ]; do
    before=$pruned
    chooseDue 1000
    for name in $due; do
      if deleteOldRoot "$name"; then
        pruned="$pruned$name
"
      fi
    done
  done
}

# Deletes the old root $1, first the subvolumes nested in it. The listing only proposes ids: a name may hold a newline
# and so forge a line that names the id of /persist. Where an id is, the kernel says; only what it says lies in this
# root is deleted, and by its id. Newer ones first, as they are mostly deeper; what is not yet empty waits for a
# further round.
#
# The kernel deletes also what is mounted, under the feet of who has booted it.
deleteOldRoot() {
  ! isMounted "old_roots/$1" || {
    message="$1 is mounted"
    say "the old root $message, so it is kept"
    return 1
  }
  progress=yes
  while
    nested=$(btrfs subvolume list --sort=-rootid . |
      sed -n "s|^ID \([0-9][0-9]*\) .* path old_roots/$1/.*|\1|p")
    [ -n "$nested" ] && [ -n "$progress" ]
  do
    progress=''
    makeWritable "old_roots/$1"
    for id in $nested; do
      where=$(btrfs inspect-internal subvolid-resolve "$id" . 2>&1) || continue
      case $where in
        "old_roots/$1"/*) ;;
        *) continue ;;
      esac
      if btrfs subvolume delete --subvolid "$id" . >/dev/null 2>&1 || makeWritable "$where"; then progress=yes; fi
    done
  done
  message=$(btrfs subvolume delete "old_roots/$1" 2>&1) || {
    say "cannot delete the old root $1: $message"
    return 1
  }
}

# Nothing can be deleted from within a subvolume that is set read-only. True if it was.
makeWritable() {
  [ "$(btrfs property get -ts "$1" ro 2>&1)" = ro=true ] && btrfs property set -f -ts "$1" ro false >/dev/null 2>&1
}
