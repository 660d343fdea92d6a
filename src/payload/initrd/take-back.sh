# shellcheck shell=sh disable=SC2154 # set by those who source it
# Takes what persists back to a snapshot, as `nixfleet rollback --with-state` has ordered for the next boot. The order is the
# folder old_state/back, which has
#   0, 1, …  for each persist root, what takes its place: a writable snapshot of the snapshot
#   info     of what is replaced, as of every snapshot (see state.sh), and lines of the order:
#     back CLOSURE              the closure that is to run on it
#     boot ID                   the boot in which it was ordered: only the next one carries it out
#     name NAME                 what the snapshot of what is replaced is called
#     root NUMBER ID SUBVOLUME  the subvolume that NUMBER is exchanged with, and the id of NUMBER
#
# The exchange is one rename, so there is a persist root whenever the power is cut, and the id says whether it has been done, so
# it is done once. What has begun, the next boot finishes, whatever it boots. Then a rename makes the order the snapshot of what
# was replaced. Nothing is deleted.
# Sourced by wipe.sh and look.sh, after room.sh. The current folder is the top level of the filesystem.

BACK=old_state/back

# takeBack CLOSURE ROOT: in the wipe, before it touches the root, when nobody uses the filesystem. No failure of it fails the wipe.
takeBack() {
  backOutcome=refused backKept=''
  if readOrder && countExchanged; then
    if [ "$exchanged" = 0 ] && ! isFor "$1" "$2"; then
      backOutcome=void message="it was ordered for another boot"
    elif [ "$exchanged" != 0 ] || haveNoneNested; then
      if exchangeRoots && keepReplaced; then
        backOutcome=back message=''
      elif countExchanged && [ "$exchanged" != 0 ]; then
        backOutcome=incomplete
      fi
    fi
  fi
  case $backOutcome in
    back) say "what persists is taken back; what it was before is old_state/$backKept" ;;
    void) say "what persists is not taken back: $message" ;;
    *) say "WHAT PERSISTS IS NOT TAKEN BACK: $message" ;;
  esac
}

# Sets `wanted`, `orderedIn`, `orderName`, `orders`.
readOrder() {
  wanted='' orderedIn='' orderName='' orders=''
  [ ! -L old_state ] || {
    message="old_state is a link"
    return 1
  }
  while read -r what one two three; do
    case $what in
      back) wanted=$one ;;
      boot) orderedIn=$one ;;
      name) orderName=$one ;;
      root)
        orders="$orders$one $two $three
"
        ;;
    esac
  done <"$BACK/info"
  message="$BACK/info is not whole"
  [ -n "$wanted" ] && [ -n "$orderedIn" ] && [ -n "$orderName" ] && [ -n "$orders" ]
}

# Sets `exchanged` to how many have been, and `count` to how many there are. False where one is in neither place.
countExchanged() {
  exchanged=0 count=0
  while read -r number id subvolume; do
    [ -n "$id" ] || continue
    count=$((count + 1))
    if isOfId "$subvolume" "$id"; then
      exchanged=$((exchanged + 1))
    elif ! isOfId "$BACK/$number" "$id"; then
      message="$BACK/$number is not the snapshot that was made for $subvolume"
      return 1
    fi
  done <<EOT
$orders
EOT
}

isOfId() { [ "$(btrfs inspect-internal rootid "$1" 2>&1)" = "$2" ]; }

# isFor CLOSURE ROOT: whether this boot runs the closure, after the boot in which that was ordered.
isFor() {
  last=''
  { read -r last <"$2/etc/nixfleet/boot"; } 2>/dev/null || :
  [ "$wanted" = "$1" ] && [ "$orderedIn" = "$last" ]
}

# What lies in a persist root as a subvolume of its own is in no snapshot, and would go from sight.
haveNoneNested() {
  while read -r number id subvolume; do
    [ -n "$id" ] || continue
    hasNoneNested "$subvolume" || return 1
  done <<EOT
$orders
EOT
}

hasNoneNested() {
  message=$(btrfs subvolume list -o "$1" 2>&1) || return 1
  [ -z "$message" ] || message="$1 has subvolumes in it, which snapshots do not have: $message"
  [ -z "$message" ]
}

exchangeRoots() {
  while read -r number id subvolume; do
    if [ -z "$id" ] || isOfId "$subvolume" "$id"; then continue; fi
    withRoom mv --exchange -T -- "$BACK/$number" "$subvolume" || return 1
  done <<EOT
$orders
EOT
}

# The order becomes the snapshot, with a name that no other has.
keepReplaced() {
  toNumber "old_roots/$orderName" last
  name=$orderName
  while exists "old_state/$name"; do
    last=$((${last:?} + 1))
    toName "$last"
  done
  withRoom mv -T -- "$BACK" "old_state/$name" && withRoom sync -f . || return 1
  backKept=$name
  for snapshot in "old_state/$name"/[0-9]*; do btrfs property set -ts "$snapshot" ro true >/dev/null 2>&1 || :; done
}

writeBackReport() {
  show "$message"
  [ "$backOutcome" != back ] || shown=''
  reportValue outcome "$backOutcome"
  reportValue reason "$shown"
  reportValue kept "$backKept"
  echo end
}
