# Files that a program saved by renaming a new one over the link to the persist root: the new one is then on the
# ephemeral root, and was retired with it. Sourced; the caller has sysroot, runtime, tab, STATE, ROOT_DEVICE, complain.
#
# Old roots are gone through once, the oldest first: $STATE/carried names the last one. Nobody but this runs yet, so
# what is looked at is what is copied. No link is followed, on neither side: a user may have put it there.
# shellcheck shell=sh disable=SC2153,SC2154

# carryReplacedFiles LIST: a line for each declared file, its persist root and its path with a tab between.
carryReplacedFiles() {
  [ -s "$1" ] || return 0
  last='' known=yes anything=''
  read -r last <"$sysroot$STATE/carried" 2>/dev/null || [ -e "$sysroot$STATE/carried" ] || known=''
  top=$runtime/filesystem
  if ! mkdir -p -- "$top" || ! mount -t btrfs -o ro,subvol=/ -- "$ROOT_DEVICE" "$top"; then
    complain "old roots cannot be looked into: what programs saved over declared files was not carried over"
    return 0
  fi
  findRetired
  newest=''
  for old in "$top"/old_roots/[1-9]*Z*; do
    # Not what somebody has put beside them.
    case ${old##*/} in ????????T??????.???Z | ????????T??????.???Z.kept) ;; *) continue ;; esac
    if [ ! -d "$old" ] || [ -L "$old" ]; then continue; fi
    newest=${old##*/}
    # Where nothing is known, what the boot before this one left.
    # shellcheck disable=SC3012 # POSIX since 2024, and in every shell that Debian has
    if [ "$newest" = "$retired" ] || { [ -n "$known" ] && [ "$newest" \> "$last" ]; }; then carryFrom "$old" "$1"; fi
  done
  umount -- "$top" || complain "$top stays mounted"
  if [ -z "$known" ] || [ "$newest" != "$last" ]; then rememberCarried; fi
}

# Sets `retired` to the name of the root that this boot retired.
findRetired() {
  retired=''
  read -r line 2>/dev/null <"$runtime/wipe.json" || return 0
  case $line in *'"retired":"'*) retired=${line#*'"retired":"'} retired=${retired%%'"'*} ;; esac
}

# carryFrom OLD_ROOT LIST
carryFrom() {
  own="
" # what that root had links for
  while IFS= read -r line; do
    own="$own$line
"
  done 2>/dev/null <"$1/etc/nixfleet/files.list" || :
  while IFS=$tab read -r persistRoot path; do
    if [ ! -f "$1$path" ] || [ -L "$1$path" ]; then continue; fi
    case $own in
      *"
$persistRoot$tab$path
"*) ;;
      # It was not declared then: persisted data goes before it.
      *) if [ -e "$sysroot$persistRoot$path" ] || [ -L "$sysroot$persistRoot$path" ]; then continue; fi ;;
    esac
    carry "$1" || complain "$path was replaced by a program, and cannot be carried over: it is in old_roots/${1##*/}"
  done <"$2"
}

# The new file appears under its name last and whole.
carry() {
  if ! isPlain "$1" "$path" || ! isPlain "$sysroot$persistRoot" "$path"; then return 1; fi
  staging=$sysroot$persistRoot/.nixfleet
  { [ -d "$staging" ] || mkdir -m 0700 -- "$staging"; } &&
    rm -rf -- "$staging/new" &&
    cp -a --reflink=auto -T -- "$1$path" "$staging/new" &&
    sync -- "$staging/new" &&
    mv -T -- "$staging/new" "$sysroot$persistRoot$path" &&
    sync -f -- "$staging" || return 1 # before it is remembered, which may be on another filesystem
  anything=yes
  carried="$carried$path
"
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

# Before any program runs: else what it changes next could be replaced by what it had saved before.
rememberCarried() {
  state=$sysroot$STATE
  if { [ -d "$state" ] || mkdir -m 0700 -- "$state"; } && printf '%s\n' "$newest" >"$state/carried.new" &&
    mv -T -- "$state/carried.new" "$state/carried"; then
    if [ -z "$known" ] || [ -n "$anything" ]; then sync -f -- "$state/carried"; fi
  else complain "$STATE/carried cannot be written"; fi
}
