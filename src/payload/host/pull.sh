#!/bin/sh
# Usage: nixfleet pull CLOSURE URL...
# Brings a closure into this host's store, from content repositories that `nixfleet publish` has made.
#
# CLOSURE is its store path. Several URLs are mirrors: what one does not have, or not as it was, the next one is asked for.
# It exits 0 when the closure and what it refers to are in the store and are what was built; 74 when there is no room; 75 when
# the mirrors did not send all of it: what came is kept, and the next time it goes on from there; 1 for everything else.
# In place of a URL `-` is a builder at the other end of stdin and stdout: src/deploy/send-closure.ts runs this with the files
# that it needs beside it, on hosts of every version.
set -eu
export LC_ALL=C
umask 022
here=${0%/*} NIX=${NIX:-/nix}
# shellcheck source=src/payload/host/lock.sh
. "$here/lock.sh"
# shellcheck source=src/payload/host/store-object.sh
. "$here/store-object.sh"
export STORE="$NIX/store" CONTENTS="${CONTENTS:-$here/contents.pl}"
NO_ROOM=74 AGAIN=75

main() {
  [ "$#" -ge 2 ] || {
    echo 'usage: nixfleet pull CLOSURE URL...' >&2
    exit 2
  }
  closure=${1##*/}
  case $1 in "$closure" | "/nix/store/$closure") ;; *) fail "$1 is not a closure in /nix/store" 2 ;; esac
  isObjectName "$closure" || fail "$1 is not the name of a store object" 2
  shift
  for mirror in "$@"; do
    case $mirror in
      *[!A-Za-z0-9:/._~%?@!,+=\[\]-]*) fail "$mirror is not a URL that can be pulled from" 2 ;;
      - | http://?* | https://?* | file:///?*) ;;
      *) fail "$mirror is not a URL that can be pulled from" 2 ;;
    esac
  done
  [ "$(id -u)" = 0 ] || fail "only root can write to the store: run it with sudo"
  if [ -z "${NIXFLEET_UNSHARED:-}" ]; then
    export NIXFLEET_UNSHARED=yes # for nobody else the store becomes writable
    exec unshare --mount --propagation private -- sh "$0" "$closure" "$@"
  fi
  [ -w "$STORE" ] || mount -o remount,bind,rw,nosuid,nodev -- "$NIX" || fail "$NIX cannot be made writable"
  takeLock "$NIX/nixfleet/locks/receive"
  rm -f -- "$STORE/.lock" # what older versions locked, which any user could
  removeLeft "$STORE"
  pull "$closure" "$@"
  rm -rf -- "$NIX/nixfleet/pull"
}

# pull NAME MIRROR...: what the object refers to comes first, so that no closure is ever there without it.
pull() {
  (
    name=$1
    shift
    if [ -e "$STORE/$name" ] && isWhole "$STORE" "$name"; then
      pullReferences "$(readlink -- "$STORE/$name/usr" "$STORE/$name/runtime" || :)" "$@"
      exit 0
    fi
    forgetOthers "$name"
    inFolder list "$name" "$@"
    pullReferences "$(sed -n 's#^l [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) \./\(usr\|runtime\)$#\1#p' "$NIX/nixfleet/pull/$name/list")" "$@"
    make "$name" "$@" || {
      # What the store had may be damaged without anybody knowing yet.
      rm -rf -- "$NIX/nixfleet/pull/$name"
      export ANEW=yes
      inFolder list "$name" "$@"
      make "$name" "$@" || fail "$name did not arrive as it was built"
    }
  )
}

# pullReferences LINKS MIRROR...: a closure's own links to what it refers to
pullReferences() {
  links=$1
  shift
  for link in $links; do
    link=${link#../}
    link=${link%/usr}
    if isObjectName "$link"; then pull "$link" "$@"; fi
  done
}

make() {
  inFolder tree "$@"
  nameObject "$STORE" "$1" || {
    removeObject "$STORE/.new-$1"
    return 1
  }
  rm -rf -- "$NIX/nixfleet/pull/$1"
}

# inFolder COMMAND NAME MIRROR...: pull.pl, in the folder of what came.
inFolder() {
  folder=$NIX/nixfleet/pull/$2
  (umask 077 && mkdir -p -- "$folder") # some of it is for root alone to read
  code=0
  (cd -- "$folder" && perl -- "$here/pull.pl" "$@") || code=$?
  [ "$code" != 0 ] || return 0
  [ ! -e "$STORE/.new-$2" ] || removeObject "$STORE/.new-$2"
  # On a full disk it would be in the way of everybody else.
  [ "$code" = "$AGAIN" ] || rm -rf -- "$NIX/nixfleet/pull"
  [ "$code" != "$NO_ROOM" ] || fail "there is no room for $2: nixfleet gc --keep COUNT" "$NO_ROOM"
  [ "$code" != "$AGAIN" ] || fail "$2 has not come whole: run it again, it goes on from there" "$AGAIN"
  exit 1
}

# forgetOthers NAME: what was begun of other closures and never came to its end. Packages are begun by their closures.
forgetOthers() {
  for begun in "$NIX/nixfleet/pull"/*-nixfleet-*; do
    [ "${begun##*/}" = "$1" ] || case $1 in *-nixfleet-*) rm -rf -- "$begun" ;; esac
  done
}

main "$@"
