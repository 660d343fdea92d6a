#!/bin/sh
# Usage: changes.sh OLD NEW
#
# Says in one line what differs between two closures, given as folders: packages, and paths that persist.
set -eu
export LC_ALL=C

# What a closure has, a line each: which closure, the kind, the name, the version, with tabs between.
inventory() {
  [ ! -e "$1/usr/../packages.list" ] || sed "s/^/$2\tpackage\t/" "$1/usr/../packages.list"
  sed "s/^/$2\tentry\t/" "$1/persists.list"
}

{
  inventory "$1" old
  inventory "$2" new
} | sort -t "$(printf '\t')" -k 2,3 -k 1,1r | awk -F '\t' '
  function note(text) { if (++count <= 6) line = line (count > 1 ? ", " : "") text }
  function tell() {
    if (name == "") return
    what = (kind == "entry" ? "persists " : "") name
    if (!old && new) note("+" what)
    else if (old && !new) note("-" what)
    else if (before != after) note(what " " before " -> " after)
  }
  $2 != kind || $3 != name { tell(); kind = $2; name = $3; old = new = 0; before = after = "" }
  $1 == "old" { old = 1; before = $4 }
  $1 == "new" { new = 1; after = $4 }
  END {
    tell()
    if (count > 6) line = line " and " count - 6 " more"
    print count ? line : "configuration only"
  }'
