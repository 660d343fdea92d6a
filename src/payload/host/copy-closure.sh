#!/bin/sh
# Usage: copy-closure.sh FROM NIX CLOSURE
# Copies a closure, and what it refers to, from the folder FROM to the store of a mounted host, whose @nix is NIX. What the store
# has whole already stays as it is: an object gets its name only once it is on the disk and is what was built.
set -eu
export LC_ALL=C
umask 022
here=${0%/*}
# shellcheck source=src/payload/host/store-object.sh
. "$here/store-object.sh"

main() {
  from=$1 store=$2/store closure=${3##*/}
  mkdir -p -- "$store"
  type=$(stat --file-system --format=%T -- "$store")
  case $type in
    btrfs | ext2/ext3) ;; # stat(1) has one name for ext2, ext3 and ext4
    *) fail "$store is on $type, not on btrfs or ext4: mount the host's disk there first" ;;
  esac
  removeLeft "$store"
  objects="$(referencesOf "$from/$closure") $closure"
  trap removeUnfinished EXIT
  trap 'exit 1' HUP INT TERM
  for object in $objects; do copyObject "$object"; done
}

removeUnfinished() {
  for object in $objects; do removeObject "$store/.new-$object"; done
}

copyObject() {
  if [ -e "$store/$1" ] && isWhole "$store" "$1" 2>/dev/null; then return; fi
  cp -a --reflink=auto -T -- "$from/$1" "$store/.new-$1" || fail "cannot copy $1 to $store"
  nameObject "$store" "$1" 2>/dev/null && return
  verifyObject "$from/$1" "$1" || fail "$1 in $from is damaged, so it is not installed; run nixfleet verify to see how to restore it"
  fail "$store returns other data than was written: try another disk"
}

main "$@"
