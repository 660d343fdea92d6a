#!/bin/sh
# Usage: nixfleet roots [show TIME [PATH] | diff TIME [TIME | now] | keep TIME | release TIME | drop TIME | mount TIME [FOLDER]] [--size] [--json]
# Lists the old roots, shows what one holds or what its wipe took away, keeps it from being pruned, deletes or mounts it.
#
# TIME is the name of an old root, or how one begins that no other begins with. One that is kept is called TIME.kept, which
# neither the wipe nor the prune takes for theirs: a rename is on the disk or not.
set -eu
export LC_ALL=C
here=${0%/*}
# shellcheck source=src/payload/audit/look.sh
. "$here/look.sh"

main() {
  verb=list
  case ${1:-} in '' | -*) ;; *) verb=$1 && shift ;; esac
  case $verb:$# in
    list:[0-2] | show:[1-3] | diff:[1-3] | keep:[12] | release:[12] | drop:[12] | mount:[1-3] | name:1 | measure:0) ;;
    *) usage ;;
  esac
  asJson=''
  case $verb in keep | release | drop | mount)
    for word; do
      shift
      if [ "$word" = --json ]; then asJson=yes; else set -- "$@" "$word"; fi
    done
    [ "$#" -eq 1 ] || [ "$verb:$#" = mount:2 ] || usage
    ;;
  esac
  if [ "$verb" = mount ]; then
    mountRoot "$@"
    return
  fi
  apart "$0" "$verb" "$@" ${asJson:+--json}
  openFilesystem
  [ ! -L old_roots ] || fail "old_roots is a link"
  case $verb in list | measure)
    tell "$verb" "$@"
    return
    ;;
  esac
  choose "$1"
  shift
  case $verb in
    name) echo "$name" ;;
    show) tell show "$name" "$@" ;;
    diff) differ "$@" ;;
    keep) rename "$name.kept" "it is kept until: nixfleet roots release $name" ;;
    release) rename "${name%.kept}" "it is pruned when it is due" ;;
    drop) drop ;;
  esac
}

usage() {
  sed -n '2s/^# U/u/p' "$0" >&2
  exit 2
}

# Sets `name` to that of the one old root that is called, or begins, like this; `newest` is the newest.
choose() {
  wanted=$1 name='' several=''
  for path in $OLD_ROOTS $OLD_ROOTS.kept; do
    isSubvolume "$path" || continue
    found=${path#old_roots/}
    case $found in
      "$wanted")
        name=$found several=''
        break
        ;;
      "$wanted"*) several=${name:+yes} name=$found ;;
      *) [ "$wanted" != newest ] || ! isNewer "$found" || name=$found ;;
    esac
  done
  [ -n "$name" ] || fail "there is no old root $wanted; nixfleet roots lists those there are"
  [ -z "$several" ] || fail "more than one old root begins with $wanted; nixfleet roots lists them"
}

isNewer() {
  [ -n "$name" ] || return 0
  toNumber "${1%.kept}" this
  toNumber "${name%.kept}" that
  [ "${this:?}" -gt "${that:?}" ]
}

tell() {
  NOW="${NOW:-}" RETENTION_DAYS=$RETENTION_DAYS KEEP_NEWEST=$KEEP_NEWEST NIX=$NIX MOUNTPOINT=$MOUNTPOINT NIX_SUBVOLUME=$NIX_SUBVOLUME RUNTIME=$RUNTIME \
    perl -I "$here" "$here/roots.pl" "$@"
}

# differ [TIME | now] [--json]
differ() {
  other='' options=''
  for word; do
    case $word in --json) options=$word ;; *) other=$word ;; esac
  done
  takeLock "$RUNTIME/locks/look"
  trap forgetAll EXIT
  trap 'exit 1' HUP INT TERM
  first=$name
  seeAs "$SEEN_ROOT" "old_roots/$first"
  case $other in
    '')
      readBoot "old_roots/$first"
      pristine=$NIX_SUBVOLUME/store/${closure##*/}/root
      if [ -z "$closure" ] || [ ! -d "$pristine" ]; then
        fail "the closure that $first was of is gone${closure:+: $closure}; compare it with another: nixfleet roots diff $first now"
      fi
      isSubvolume "$pristine" || fail "the root of $closure is a folder, which btrfs does not compare: nixfleet roots diff $first now"
      # shellcheck disable=SC2086 # one word or none
      PRISTINE=$MOUNTPOINT/$pristine SEEN=$MOUNTPOINT/$SEEN_ROOT LIVE=$MOUNTPOINT/old_roots/$first CLOSURE=$NIX/store/${closure##*/} \
        STORE='' RUNTIME='' PERSIST_ROOT=$PERSIST_ROOT ROOT=/ OLD=$first perl -I "$here" "$here/drift.pl" $options
      return
      ;;
    now)
      findRunning
      [ -n "$running" ] || fail "the running root is not on this filesystem"
      seeAs "$SEEN_OTHER" "$running"
      second=$running
      ;;
    *)
      choose "$other"
      seeAs "$SEEN_OTHER" "old_roots/$name"
      second=old_roots/$name
      ;;
  esac
  # shellcheck disable=SC2086
  tell between "old_roots/$first" "$second" "$SEEN_ROOT" "$SEEN_OTHER" '' $options
}

# Sets `closure`, of a root: what its activation has written down.
readBoot() {
  closure=''
  { read -r _ && read -r closure; } <"$1/etc/nixfleet/boot" 2>/dev/null || :
  case $closure in /nix/store/*[!A-Za-z0-9._+-]*) closure='' ;; /nix/store/*) ;; *) closure='' ;; esac
}

# rename NAME TEXT
rename() {
  [ "$name" != "$1" ] || fail "$name is so already"
  ! exists "old_roots/$1" || fail "there is another old root $1"
  message=$(mv -T -- "old_roots/$name" "old_roots/$1" 2>&1) || fail "$name cannot be renamed: $message"
  message=$(sync -f . 2>&1) || fail "the disk does not take it: $message"
  answer "$1" "${name%.kept}: $2"
}

# answer NAME TEXT: NAME has nothing that JSON would write otherwise.
answer() { if [ -n "$asJson" ]; then printf '{"name":"%s"}\n' "$1"; else echo "$2"; fi; }

drop() {
  case $name in *.kept) fail "$name is kept; first: nixfleet roots release ${name%.kept}" ;; esac
  deleteOldRoot "$name" || exit 1
  message=$(btrfs filesystem sync . 2>&1) || fail "the disk does not take it: $message"
  answer "$name" "the old root $name is deleted"
}

mountRoot() {
  [ "$(id -u)" = 0 ] || fail "only root can do this: run it with sudo"
  name=$(/bin/sh "$0" --conf "$CONF" name "$1") || exit 1
  folder=${2:-$RUNTIME/roots/$name}
  if [ "$#" -lt 2 ]; then
    # What was only a user's own may be everybody's there.
    mkdir -p -- "$RUNTIME/roots" && chmod 0700 -- "$RUNTIME/roots" && mkdir -p -- "$folder"
  fi
  [ -d "$folder" ] || fail "$folder is no folder"
  [ -n "$DEVICE" ] || findFilesystem
  message=$(mount -t btrfs -o "ro,nosuid,nodev,subvol=old_roots/$name" -- "$DEVICE" "$folder" 2>&1) || fail "$name cannot be mounted: $message"
  if [ -n "$asJson" ]; then
    NAME=$name FOLDER=$folder perl -I "$here" -MReport -e 'print json({ name => $ENV{NAME}, text(folder => $ENV{FOLDER}) }), "\n"'
  else
    say "the old root $name is at $folder until: umount $folder"
  fi
}

main "$@"
