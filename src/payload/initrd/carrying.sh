# How what is carried over gets to the persist root: copied beside its place, brought to the disk, renamed. And the record
# of what could not be carried over, for the next boot. Sourced by carry-over.sh.
#
# $STATE/uncarried has a line for each: the old root; what says that the persist root is as it was then; how it was to be
# carried; the entry's kind, persist root and path. The last line is `end`.
# shellcheck shell=sh disable=SC2034,SC2086,SC2153,SC2154
uncarried='' waiting='' flags='' triedAgain='
'

# carry replace|merge: the entry of kind, persistRoot and path, from `from` to `to`.
carry() {
  say "$path: copying it from the last root to the persist root"
  changed=yes
  fingerprint
  if message=$(carryNow "$1" 2>&1); then
    carried="$carried$path
"
  else
    addUncarried "$mark" "$1"
    complain "cannot carry over $path: $message. The data stays in $where, and the next boot tries again"
  fi
}

carryNow() {
  isPlain "$sysroot$persistRoot" "$path" ||
    systemd-tmpfiles --root="$sysroot/" --create "$parents" >/dev/null 2>&1 || :
  isPlain "$sysroot$persistRoot" "$path" || {
    echo "a folder above $persistRoot$path is a link, or cannot be created"
    return 1
  }
  staging=${to%/*}/.nixfleet-carrying
  if rm -rf --one-file-system -- "$staging" && mkdir -m 0700 -- "$staging" && "$1" && sync -f -- "$staging"; then
    rm -rf --one-file-system -- "$staging"
  else
    rm -rf --one-file-system -- "$staging"
    return 1
  fi
}

# Where nothing is, or what was written before the last root replaced it.
replace() {
  cp -a $flags --reflink=auto -T -- "$from" "$staging/new" && sync -f -- "$staging" && mv -T -- "$staging/new" "$to"
}

# Entries lie in it: their data stays. What else is missing comes, all of it or, after a crash, at the next boot.
merge() {
  mkdir -- "$staging/new" && stageMissing "$from" "$to" "$staging/new" "$path" && sync -f -- "$staging" &&
    { [ -z "$root" ] || (addUncarried merging merge && writeUncarried); } && moveStaged "$from" "$to" "$staging/new"
}

# stageMissing FROM TO STAGE PATH
stageMissing() {
  for child in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    exists "$child" || continue
    name=${child##*/}
    if isInner "$4/$name"; then isReplacedInner "$4/$name" || continue
    elif isAboveInner "$4/$name" && isFolder "$child" && isFolder "$2/$name"; then
      mkdir -- "$3/$name" && stageMissing "$child" "$2/$name" "$3/$name" "$4/$name" || return 1
      continue
    elif exists "$2/$name"; then continue; fi
    cp -a $flags --reflink=auto -T -- "$child" "$3/$name" || return 1
  done
}

isFolder() { [ -d "$1" ] && [ ! -L "$1" ]; }

# A file that a program renamed over its link.
isReplacedInner() {
  case $placed in *"${tab}symlink$tab$persistRoot$tab$1$tab"*) [ -f "$child" ] && [ ! -L "$child" ] ;; *) return 1 ;; esac
}

# moveStaged FROM TO STAGE: a folder that was only above entries becomes as it was in the last root.
moveStaged() {
  for child in "$3"/* "$3"/.[!.]* "$3"/..?*; do
    exists "$child" || continue
    name=${child##*/}
    if isFolder "$child" && isFolder "$2/$name"; then moveStaged "$1/$name" "$2/$name" "$child" || return 1
    else mv -T -- "$child" "$2/$name" || return 1; fi
  done
  chown --reference="$1" -- "$2" && chmod --reference="$1" -- "$2"
}

# Sets `mark`: another one once somebody has written to `to`.
fingerprint() {
  mark=free
  isFree "$to" || mark=$(stat -c %i:%s:%.Z -- "$to" 2>&1) || :
}

addUncarried() {
  uncarried="$uncarried$root$tab$1$tab$2$tab$kind$tab$persistRoot$tab$path
"
}

# What an earlier boot could not carry over, unless somebody has written to its place meanwhile.
tryAgain() {
  readUncarried
  waiting=$uncarried uncarried=''
  while IFS=$tab read -r root before way kind persistRoot path; do
    [ -n "$root" ] || continue
    waiting=${waiting#*"
"}
    if [ ! -d "$top/old_roots/$root" ] && [ -d "$top/old_roots/$root.kept" ]; then root=$root.kept; fi
    from=$top/old_roots/$root$path to=$sysroot$persistRoot$path where=old_roots/$root$path changed=yes
    grep -q -F -e "$tab$persistRoot$tab$path$tab" "$entries" || continue # declared no more
    fingerprint
    if ! exists "$from"; then complain "$path was not carried over, and its old root $root has been deleted"
    elif [ "$mark" != "$before" ] && [ "$before" != merging ]; then
      complain "$path was not carried over, and has new data since. The new data stays in use; the old data is in $where"
    else
      openRoot "$top/old_roots/$root"
      triedAgain="$triedAgain$root$tab$persistRoot$tab$path
"
      if isPlain "$old" "$path"; then carry "$way"; fi
    fi
  done <<EOT
$waiting
EOT
}

readUncarried() {
  record=$sysroot$STATE/uncarried whole=''
  exists "$record" || return 0
  if [ -f "$record" ] && [ ! -L "$record" ]; then
    while IFS=$tab read -r root mark way kind persistRoot path; do
      whole=''
      case $root,$mark,$way,$kind,$persistRoot,$path in
        end,,,,,) whole=yes ;;
        *,?*,replace,file,/*,/* | *,?*,replace,directory,/*,/* | *,?*,merge,directory,/*,/*)
          isRootName "$root" || break
          uncarried="$uncarried$root$tab$mark$tab$way$tab$kind$tab$persistRoot$tab$path
"
          ;;
        *) break ;;
      esac
    done <"$record"
  fi
  [ -z "$whole" ] || return 0
  uncarried='' changed=yes
  complain "$STATE/uncarried is damaged: look in old_roots for the data that an earlier boot did not carry over"
}

# Whole or as it was.
writeUncarried() {
  state=$sysroot$STATE record=$sysroot$STATE/uncarried
  if [ -z "$uncarried" ]; then
    ! exists "$record" || { rm -rf -- "$record" && sync -f -- "$state"; }
    return
  fi
  { [ -d "$state" ] || mkdir -m 0700 -- "$state"; } && rm -rf -- "$record.new" &&
    printf '%s%send\n' "$uncarried" "$waiting" >"$record.new" && sync -- "$record.new" && mv -T -- "$record.new" "$record" &&
    sync -f -- "$state"
}
