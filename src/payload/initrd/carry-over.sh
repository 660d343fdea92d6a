# What the last root holds at a declared path and the persist root lacks is copied there, before this root is filled:
#   - what lay at a path that was not declared then;
#   - a file that a program renamed over the link to the persist root, which it replaces there.
# Sourced; the caller has sysroot, runtime, tab, STATE, ROOT_DEVICE, say, complain.
#
# Nobody but this runs yet, so what is looked at is what is copied. A user or a service may have put a link anywhere
# below a folder of theirs: none is followed, on neither side.
#
# A root says itself what there is to do. It holds FRESH until its activation is through with this, so the last root is
# the newest old one without FRESH. It keeps UNSETTLED where not even a record of what failed could be written: a full
# disk lets files be removed. PLACED has a line for each entry that is placed in it: kind, how, persist root, path and
# options, with tabs between. src/payload/host/switch.sh keeps it true.
# shellcheck shell=sh disable=SC2153,SC2154
# shellcheck source=src/payload/initrd/carrying.sh
. "${0%/*}/carrying.sh"
# shellcheck source=src/payload/initrd/lasting-root.sh
. "${0%/*}/lasting-root.sh"

FRESH=etc/nixfleet/fresh UNSETTLED=etc/nixfleet/unsettled PLACED=etc/nixfleet/placed.list

# carryOver LIST PARENTS: a line for each entry, as in PLACED; and tmpfiles.d(5) for the folders above them.
carryOver() {
  [ -e "$sysroot/$FRESH" ] || return 0
  entries=$1 parents=$2 top=$runtime/filesystem changed='' settled=$sysroot/$UNSETTLED
  if mkdir -p -- "$top" && mount -t btrfs -o ro,subvol=/ -- "$ROOT_DEVICE" "$top"; then
    tryAgain
    findLast
    for root in $lasts; do carryFrom; done
    umount -- "$top" || complain "$top stays mounted"
    writeUncarried || {
      settled=''
      complain "cannot write $STATE/uncarried: the next boot carries over only to paths that are still empty"
    }
  else
    settled=''
    complain "cannot read the old roots: nothing is carried over from the last one"
  fi
  rm -f -- "$sysroot/$FRESH" ${settled:+"$settled"} ||
    complain "cannot remove /$FRESH: remove it, or the next boot treats this root as unused"
  # Before any program runs: else the next boot could replace what it writes by what has been carried over already.
  [ -z "$changed" ] || sync -f -- "$sysroot/etc" || complain "cannot write to the root"
}

# Sets `last` to the name of the last root, empty if there is none; and `lasts` to it and those before it of which it
# is not known what could not be carried over, the oldest first.
findLast() {
  last='' lasts=''
  for folder in "$top"/old_roots/[1-9]*Z*; do
    if isRootName "${folder##*/}" && [ -d "$folder" ] && [ ! -L "$folder" ] && [ ! -e "$folder/$FRESH" ]; then
      last=${folder##*/}
      [ -e "$folder/$UNSETTLED" ] || lasts=''
      lasts="$lasts $last"
    fi
  done
}

# Not what somebody has put beside them.
isRootName() {
  case $1 in
    [1-9]???????T??????.???Z | [1-9]???????T??????.???Z.kept) ;;
    *) return 1 ;;
  esac
}

openRoot() {
  old=$1 placed=''
  [ ! -f "$old/$PLACED" ] || placed=$(cat -- "$old/$PLACED") || :
}

carryFrom() {
  openRoot "$top/old_roots/$root"
  readLinks
  while IFS=$tab read -r kind how persistRoot path _; do
    from=$old$path to=$sysroot$persistRoot$path
    holdsData "$from" || continue
    case $triedAgain in
      *"
$root$tab$persistRoot$tab$path
"*) continue ;;
    esac
    carryEntry
  done <"$entries"
}

# Sets `links` to the lines of `path, tab, target` of the links in the old root at entries. A target may have line breaks
# and forge such a line: who acts on one reads that link again.
readLinks() {
  links=''
  while IFS=$tab read -r _ _ _ path _; do
    [ ! -L "$old$path" ] || links=$links$old$path$tab
  done <"$entries"
  [ -n "$links" ] || return 0
  IFS=$tab
  set -f
  # shellcheck disable=SC2086,SC2185 # split at tabs; find has them from the pipe
  links=$(printf '%s\0' ${links%"$tab"} | find -files0-from - -maxdepth 0 -type l -printf '%p\t%l\n') || :
  set +f
  unset IFS
}

# A link that leads to the persist root is as it was placed.
holdsData() {
  if [ -L "$1" ]; then
    case "
$links
" in
      *"
$1$tab$persistRoot$path
"*) return 1 ;;
    esac
    [ "$(readlink -- "$1")" != "$persistRoot$path" ]
  elif [ -d "$1" ]; then
    ! isEmptyFolder "$1"
  else
    # Where a file was bound there is an empty one.
    [ -s "$1" ] || { [ -e "$1" ] && { [ "$how" = symlink ] || ! exists "$to"; }; }
  fi
}

carryEntry() {
  case "
$placed
" in
    *"${tab}symlink$tab$persistRoot$tab$path$tab"*) was=linked ;;
    *"${tab}bind$tab$persistRoot$tab$path$tab"*) was=bound ;;
    *) was='' ;;
  esac
  # What lies below a mount was there before it.
  if [ "$was" = bound ] && exists "$to"; then return 0; fi
  [ "$root" = "$last" ] || [ -z "$was" ] || was=unsettled
  where=${root:+old_roots/$root}$path
  if ! isPlain "$old" "$path"; then
    complain "$path is not carried over, because a folder above it is a link in the last root: look in $where"
  elif ! isOfKind; then
    complain "$path is declared as a $kind, but was something else in the last root. It is not carried over; the old data is in $where"
  elif isFree "$to" || { [ "$was" = linked ] && [ "$kind" = file ] && [ ! -d "$to" ]; }; then
    carry replace
  elif [ "$kind" = directory ] && [ -n "$placed" ] && holdsOnlyInner "$to" "$path"; then
    carry merge
  elif [ "$was" = linked ]; then
    complain "$path was replaced by another $kind. The one on the persist root stays in use; the other is in $where"
  elif [ -n "$placed" ]; then
    complain "$path is newly declared, and the persist root already has data for it. That stays in use; the data of the last root is in $where"
  fi
}

isOfKind() {
  if [ "$kind" = directory ]; then [ -d "$from" ] && [ ! -L "$from" ]
  elif [ -L "$from" ]; then [ "$how" = symlink ]
  else [ -f "$from" ]; fi
}

exists() {
  [ -e "$1" ] || [ -L "$1" ]
}

isEmptyFolder() {
  [ -d "$1" ] && [ ! -L "$1" ] || return 1
  for inside in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    ! exists "$inside" || return 1
  done
}

# Nothing is there, or what activation makes where nothing is.
isFree() {
  ! exists "$1" || isEmptyFolder "$1" || { [ -f "$1" ] && [ ! -L "$1" ] && [ ! -s "$1" ]; }
}

# isPlain ROOT PATH: every folder above PATH, from ROOT on, is one, and no link.
isPlain() {
  folder=$1 rest=${2#/}
  while
    if [ ! -d "$folder" ] || [ -L "$folder" ]; then return 1; fi
    case $rest in */*) ;; *) return 0 ;; esac
  do
    folder=$folder/${rest%%/*} rest=${rest#*/}
  done
}

# Whether an entry was placed at the path $1, or below it.
isInner() { case $placed in *"$tab$persistRoot$tab$1$tab"*) ;; *) return 1 ;; esac }
isAboveInner() { case $placed in *"$tab$persistRoot$tab$1/"*) ;; *) return 1 ;; esac }

# holdsOnlyInner FOLDER PATH: the data of entries that were placed below PATH, with the folders above them.
holdsOnlyInner() {
  [ -d "$1" ] && [ ! -L "$1" ] && isAboveInner "$2" || return 1
  for child in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if ! exists "$child" || isInner "$2/${child##*/}"; then continue; fi
    isEmptyFolder "$child" || holdsOnlyInner "$child" "$2/${child##*/}" || return 1
  done
}
