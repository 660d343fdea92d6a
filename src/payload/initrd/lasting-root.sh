# A root that stays holds itself what lay at a newly declared path, and what is mounted there would hide it. So that is
# copied to the persist root first, and what is in the way of a link is moved aside. Sourced by carry-over.sh, of which
# it uses all; PLACED is what this root had placed at its last boot, or by a switch since.
# shellcheck shell=sh disable=SC2034,SC2154

# carryOwn LIST PARENTS: as carryOver.
carryOwn() {
  [ -d "$sysroot/${PLACED%/*}" ] || return 0
  entries=$1 parents=$2 root='' last='' flags=--one-file-system
  openRoot "$sysroot"
  [ "$placed" != "$(cat -- "$entries")" ] || return 0
  readLinks
  while IFS=$tab read -r kind how persistRoot path _; do
    from=$sysroot$path to=$sysroot$persistRoot$path
    if isInner "$path" || ! holdsData "$from"; then continue; fi
    carryEntry
    [ "$how" = bind ] || ! exists "$to" || ! isPlain "$sysroot" "$path" || moveAside
  done <"$entries"
  rememberPlaced || complain "cannot write /$PLACED"
}

moveAside() {
  complain "$path was in the way of a link and is now $path.before-nixfleet"
  mv -T -- "$from" "$from.before-nixfleet" || complain "$path is still in the way"
}

# But for what could not be carried over: the next boot tries that again.
rememberPlaced() {
  while IFS=$tab read -r kind how persistRoot path options; do
    case $uncarried in
      *"$tab$persistRoot$tab$path
"*) ;;
      *) printf '%s\t%s\t%s\t%s\t%s\n' "$kind" "$how" "$persistRoot" "$path" "$options" ;;
    esac
  done <"$entries" >"$sysroot/$PLACED.new" &&
    sync -- "$sysroot/$PLACED.new" && mv -T -- "$sysroot/$PLACED.new" "$sysroot/$PLACED"
}
