#!/bin/sh
# Usage: nixfleet state [diff GENERATION [GENERATION | now] | restore PATH... --from GENERATION] [--json]
# Lists the snapshots of what persists, says what differs between two, and takes paths back from one.
#
# One is made before another generation runs for the first time after this one: at its boot, before services, and by
# `nixfleet switch`. old_state/TIME has a read-only snapshot of each persist root, called by a number, and `info`: the
# closure whose state it is, its generation, and a line `NUMBER PATH` for each. It is made as old_state/new, and renamed.
# rollback.sh also calls it: `lost CLOSURE`, `order CLOSURE`, `withdraw`; what take-back.sh is to do at the next boot.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"
KEPT=10

main() {
  verb=list
  case ${1:-} in '' | -*) ;; *) verb=$1 && shift ;; esac
  case $verb:$# in
    list:[01] | diff:[1-3] | restore:[3-9]* | boot:0 | switch:1 | lost:1 | order:1 | withdraw:0) ;;
    *)
      sed -n '2s/^# U/u/p' "$0" >&2
      exit 2
      ;;
  esac
  ran=${ROOT%/}$PERSIST_ROOT/.nixfleet/ran
  case $verb in
    boot | switch) if [ -z "$LABEL$DEVICE" ] || ! { begins "$@" || exists "$RUNTIME/back.report"; }; then exit 0; fi ;;
    withdraw) [ -n "$LABEL$DEVICE" ] || exit 0 ;;
  esac
  apart "$0" "$verb" "$@"
  openFilesystem
  takeLock "$RUNTIME/locks/state"
  [ ! -L old_state ] || fail "old_state is a link; move it elsewhere"
  case $verb in
    boot)
      ! exists "$BACK" || settleOrder
      keepState
      ;;
    switch) keepState "$@" ;;
    diff) differ "$@" ;;
    lost) differ "$1" now ;;
    order) orderBack "$1" ;;
    withdraw) withdraw ;;
    *) tell "$verb" "$@" ;;
  esac
}

# Sets `next` to the closure that is about to run; true where another ran before it.
begins() {
  next=${1:-}
  [ -n "$next" ] || { findClosure && next=$closure; }
  before=''
  { read -r before <"$ran"; } 2>/dev/null || :
  [ -n "$next" ] && [ "$before" != "$next" ]
}

# Also where no snapshot can be made it is noted who runs: a later one would not be of the generation before.
keepState() {
  begins "$@" || return 0
  case $before in
    /nix/store/*[!A-Za-z0-9._+-]* | '') ;;
    /nix/store/*) snapshotState || say "what persists has no snapshot: $message" ;;
  esac
  { [ -d "${ran%/*}" ] || mkdir -m 0700 -- "${ran%/*}"; } && printf '%s\n' "$next" >"$ran.new" && sync -- "$ran.new" &&
    mv -T -- "$ran.new" "$ran" && sync -f -- "${ran%/*}"
}

snapshotState() {
  new=old_state/new number=0
  { [ -d old_state ] || message=$(mkdir old_state 2>&1); } || return 1
  ! exists "$new" || deleteState "$new" || {
    message="$new cannot be deleted"
    return 1
  }
  message=$(mkdir -- "$new" 2>&1) || return 1
  printf 'closure %s\ngeneration %s\n' "$before" "$(generationOf "$before")" >"$new/info" || return 1
  while IFS= read -r root; do
    subvolumeAt "$root"
    if [ -z "$subvolume" ] || ! isSubvolume "$subvolume"; then continue; fi
    message=$(btrfs subvolume snapshot -r "$subvolume" "$new/$number" 2>&1) || return 1
    printf '%s %s\n' "$number" "$root" >>"$new/info" || return 1
    number=$((number + 1))
  done <<EOT
$STATE_ROOTS
EOT
  nameState
  message=$(sync -f . 2>&1) && message=$(mv -T -- "$new" "old_state/$name" 2>&1) && message=$(sync -f . 2>&1) || return 1
  expire
}

# Sets `name`: as with old roots, it is later than the newest, whatever the clock says.
nameState() {
  readClock
  for newest in $OLD_STATES; do :; done
  toNumber "old_roots${newest#old_state}" last
  if ! exists "$newest" || [ "$now" -gt "${last:?}" ]; then last=$now; else last=$((last + 1)); fi
  toName "$last"
}

# Sets `subvolume` to what is mounted there, from the top level; empty where that is of another filesystem.
subvolumeAt() {
  subvolume='' own=''
  while read -r _ _ number_ source target _; do
    [ "$target" != "$MOUNTPOINT" ] || own=$number_
    [ "$target" != "${ROOT%/}$1" ] || subvolume="$number_ ${source#/}"
  done </proc/self/mountinfo
  case $subvolume in "$own "*) subvolume=${subvolume#* } ;; *) subvolume='' ;; esac
}

generationOf() {
  found=0
  for file in "$NIX/nixfleet/generations"/*; do
    case ${file##*/} in *[!0-9]*) continue ;; esac
    read -r of <"$file" || of=''
    [ "$of" != "$1" ] || [ "${file##*/}" -le "$found" ] || found=${file##*/}
  done
  printf '%s' "$found"
}

# The newest stays, however old; of the others so many, and none that is older than an old root may be.
expire() {
  # shellcheck disable=SC2086 # the pattern is to be expanded
  set -- $OLD_STATES
  while [ "$#" -gt 1 ]; do
    toNumber "old_roots${1#old_state}" oldest
    [ "$#" -gt "$KEPT" ] || [ "${oldest:?}" -lt "$cutoff" ] || break
    deleteState "$1" || break
    shift
  done
}

# differ GENERATION [GENERATION | now] [--json]
differ() {
  other=now options='' first=$1
  shift
  for word; do
    case $word in --json) options=$word ;; *) other=$word ;; esac
  done
  trap forgetAll EXIT
  trap 'exit 1' HUP INT TERM
  if [ "$other" = now ]; then
    tell find "$first" >"$RUNTIME/state-roots"
    while read -r number root; do
      number=${number#*/}
      subvolumeAt "$root"
      [ -z "$subvolume" ] || seeAs "old_state/now-$number" "$subvolume"
    done <"$RUNTIME/state-roots"
  fi
  # shellcheck disable=SC2086 # one word or none
  tell diff "$first" "$other" $options
}

# orderBack CLOSURE: see take-back.sh. All that can fail is done here: the boot only renames.
orderBack() {
  withdraw
  : >"$RUNTIME/ordered" # for `nixfleet rollback` without state, which else has nothing to do with this
  new=$BACK.new
  findClosure
  nameState
  read -r boot <"${ROOT%/}/etc/nixfleet/boot" || fail "this root does not say of which boot it is: reboot first"
  tell find "$1" >"$RUNTIME/state-roots" || exit 1
  mkdir -- "$new" || fail "$new cannot be made"
  printf 'closure %s\ngeneration %s\nback %s\nboot %s\nname %s\n' "$closure" "$(generationOf "$closure")" "$1" "$boot" "$name" >"$new/info"
  while read -r at root; do
    subvolumeAt "$root"
    if [ -z "$subvolume" ] || ! isSubvolume "$subvolume"; then fail "$root is not mounted from this filesystem"; fi
    hasNoneNested "$subvolume" || fail "what persists is not taken back: $message"
    number=${at#*/}
    message=$(btrfs subvolume snapshot "old_state/$at" "$new/$number" 2>&1) || fail "old_state/$at cannot be taken: $message"
    id=$(btrfs inspect-internal rootid "$new/$number") || fail "$new/$number has no id"
    printf 'root %s %s %s\n%s %s\n' "$number" "$id" "$subvolume" "$number" "$root" >>"$new/info"
  done <"$RUNTIME/state-roots"
  message=$(sync -f . 2>&1 && mv -T -- "$new" "$BACK" 2>&1 && sync -f . 2>&1) || fail "the disk does not take it: $message"
}

# What has begun is no order any more: it holds what was replaced.
withdraw() {
  for order in "$BACK.new" "$BACK"; do
    exists "$order" || continue
    if [ "$order" = "$BACK" ]; then
      if ! readOrder || ! countExchanged; then fail "$message; move $BACK elsewhere"; fi
      [ "$exchanged" = 0 ] || fail "what persists was taken back only in part, and the next boot goes on with it: reboot first"
    fi
    deleteState "$order" || fail "$order cannot be deleted"
  done
  rm -f -- "$RUNTIME/ordered"
}

# What the last boot has left: done but for its name, or not done, and then it is not for a later one.
settleOrder() {
  boot=''
  read -r boot <"${ROOT%/}/etc/nixfleet/boot" || :
  if ! readOrder || ! countExchanged; then
    say "$BACK is left as it is: $message"
  elif [ "$exchanged" = "$count" ]; then
    keepReplaced || say "$BACK cannot be renamed: $message"
  elif [ "$exchanged" = 0 ] && [ "$orderedIn" != "$boot" ]; then
    deleteState "$BACK" || say "$BACK cannot be deleted"
  fi
}

tell() {
  NOW="${NOW:-}" ROOT=$ROOT NIX=$NIX MOUNTPOINT=$MOUNTPOINT perl -I "$here" "$here/state.pl" "$@"
}

main "$@"
