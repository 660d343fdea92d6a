#!/bin/sh
# Usage: switch.sh CLOSURE OLD_CLOSURE FOLDER
#
# Makes the running host what CLOSURE, in the store, declares. FOLDER has what is to be done: `list`, with the lines that
# src/plan/switch.ts describes, and parents.conf and entries.conf for systemd-tmpfiles. Prints what it does. Whatever
# fails costs only itself, and the exit code is 1; running it again goes on with it.
#
# Users run meanwhile, and may exchange folders of theirs for links. So what is in a home is copied with its user's own
# rights, and a folder is entered before it is mounted, by its path without links or not at all.
# shellcheck disable=SC3013 # -ef is of POSIX 2024
set -eu
export LC_ALL=C
umask 022

closure=$1 old=$2 folder=$3
tab=$(printf '\t')
failed=''

main() {
  eachLine unplace unplace
  perform parents.conf
  eachLine place take
  perform entries.conf
  eachLine place put
  eachLine write writeFile
  eachLine remove removeFile
  ! grep -q "^[a-z]*$tab/etc/systemd/system/" "$folder/list" || systemctl daemon-reload ||
    complain "systemd did not read its units again"
  for verb in stop try-restart start; do eachLine "$verb" changeUnit; done
  [ -z "$failed" ] || exit 1
  printf '%s\n' "$closure" >/run/nixfleet/closure.new
  mv -T /run/nixfleet/closure.new /run/nixfleet/closure
}

# eachLine VERB FUNCTION: calls it with the fields of each line of that verb.
eachLine() {
  while IFS= read -r line <&8; do
    case $line in "$1$tab"*) ;; *) continue ;; esac
    callWithFields "$2" "${line#*"$tab"}" || complain "this failed: $line"
  done 8<"$folder/list"
}

callWithFields() {
  function=$1
  IFS=$tab
  set -f
  # shellcheck disable=SC2086 # split at tabs
  set -- $2
  set +f
  unset IFS
  "$function" "$@"
}

perform() {
  message=$(systemd-tmpfiles --create "$folder/$1" 2>&1) || complain "$message"
}

say() { printf '%s\n' "$1"; }

complain() {
  printf 'nixfleet: %s\n' "$1" >&2
  failed=yes
}

# Enters a folder by its path without links.
enter() {
  cd -P -- "$1" 2>/dev/null && [ "$PWD" = "$1" ]
}

# unplace HOW PATH SOURCE
unplace() {
  (
    enter "${2%/*}" 2>/dev/null || enter / || exit 1
    name=./${2##*/}
    if [ "$1" = symlink ]; then
      [ "$(readlink -- "$name")" = "$3" ] || exit 0
      rm -- "$name"
    else
      if ! [ "$name" -ef "$3" ] || ! findmnt --mountpoint "$2" >/dev/null; then exit 0; fi
      umount -c -- "$name" 2>/dev/null || {
        printf '%s stays until the next boot: it is in use by %s\n' "$2" "$(usersOf "$2")" >&2
        exit 1
      }
    fi
    say "$2 is no longer declared; its data stays at $3, as stray"
  )
}

# The processes that have something open at or below a path.
usersOf() {
  pattern=$(printf '%s' "$1" | sed 's/[][*?\\]/\\&/g')
  find /proc/[0-9]*/cwd /proc/[0-9]*/fd \( -lname "$pattern" -o -lname "$pattern/*" \) -printf '%h\n' 2>/dev/null |
    sed 's|^/proc/\([0-9]*\).*|\1|' | sort -nu | while read -r pid; do
    printf '%s (%s) ' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
  done
}

# take KIND HOW OPTIONS USER HOLDS PERSIST_ROOT PATH: what is there now goes to the persist root first.
take() {
  [ ! "$7" -ef "$6$7" ] || return 0
  if [ -L "$7" ]; then
    say "$7 was a link, which is kept beside it, as ${7##*/}.before-switch"
    setAside "$4" "$7"
    return
  fi
  if [ ! -e "$7" ]; then return 0; fi
  if [ "$1" = directory ] && [ -z "$(ls -A -- "$7")" ]; then return 0; fi
  if [ -e "$6$7" ] && [ "$5" = none ]; then
    say "$7 has data on the persist root already: that is shown from now on, and what was there goes with this root"
  else
    staging=$6/.nixfleet/taking
    makeStaging "$4" || return 1
    as "$4" sh "$0" --copy "$1" "$7" "$6$7" "$staging" || return 1
    say "$7 is kept from now on, with what it held"
    left=$(usersOf "$7")
    [ -z "$left" ] || [ "$2" = symlink ] || say "restart what still writes to the former $7: $left"
  fi
  if [ "$2" = symlink ]; then setAside "$4" "$7"; fi
}

# As who owns it: a folder that only he can enter, inside one of root's.
makeStaging() {
  owner=$1
  [ "$owner" != - ] || owner=root
  { [ -d "${staging%/*}" ] || mkdir -- "${staging%/*}"; } && chmod 0711 -- "${staging%/*}" &&
    rm -rf --one-file-system -- "$staging" && mkdir -m 0700 -- "$staging" && chown "$owner:" -- "$staging"
}

# as USER COMMAND…
as() {
  user=$1
  shift
  if [ "$user" = - ]; then "$@"; else setpriv --reuid "$user" --regid "$(id -g -- "$user")" --init-groups -- "$@"; fi
}

# copy KIND PATH SOURCE STAGING: the copy gets its name last and whole, so that an interruption leaves the original.
copy() {
  new=$4/new
  if [ -e "$3" ]; then
    # Entries of before are in it; they go before what only this root has.
    cp -a --reflink=auto -T -- "$3" "$new" && cp -a --reflink=auto --update=none -T -- "$2" "$new" && sync -f -- "$new" &&
      mv --exchange -T -- "$new" "$3" && rm -rf -- "$new"
  else
    cp -a --reflink=auto -T -- "$2" "$new" && sync -f -- "$new" && mv -T -- "$new" "$3"
  fi && sync -f -- "$4"
}

setAside() {
  as "$1" mv -T -- "$2" "$2.before-switch"
}

# put KIND HOW OPTIONS USER HOLDS PERSIST_ROOT PATH
put() {
  if [ "$2" = symlink ] || [ "$7" -ef "$6$7" ]; then return 0; fi
  if [ "$1" = directory ]; then
    bindDirectory "$6$7" "$7" "$3" || return 1
  elif [ "$4" = - ]; then
    mount -o "$3" -- "$6$7" "$7" || return 1
  else
    say "$7 is placed at the next boot: a single file in a home is not bound while its user may be there"
    return 0
  fi
  say "$7 is on $6"
}

# bindDirectory SOURCE PATH OPTIONS
bindDirectory() {
  (
    enter "$1" || exit 1
    exec 7<.
    enter "$2" || exit 1
    mount -c --bind /proc/self/fd/7 . || exit 1
    # From now on nobody can rename it.
    cd ..
    [ "$3" = bind ] || mount -c -o "remount,$3" "./${2##*/}"
  )
}

# writeFile PATH
writeFile() {
  isAsDeclared "$1" || say "$1 had been changed here; it is as declared again"
  mkdir -p -- "${1%/*}" && cp -a -T -- "$closure/root$1" "$1.nixfleet-new" && mv -T -- "$1.nixfleet-new" "$1" &&
    say "$1 is as declared now"
}

# removeFile PATH
removeFile() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
  if isAsDeclared "$1"; then rm -- "$1" && say "$1 is removed"
  else say "$1 is no longer declared, but was changed here: it goes at the next boot"; fi
}

# Whether a file is what the closure of before put there.
isAsDeclared() {
  if [ -L "$1" ] || [ -L "$old/root$1" ]; then [ "$(readlink -- "$1")" = "$(readlink -- "$old/root$1")" ]
  elif [ -e "$1" ] && [ -e "$old/root$1" ]; then cmp -s -- "$1" "$old/root$1"
  else [ ! -e "$1" ]; fi
}

changeUnit() {
  if [ "$verb" = stop ] && ! systemctl --quiet is-active -- "$1"; then return 0; fi
  systemctl --no-block "$verb" -- "$1" && say "systemctl $verb $1"
}

if [ "$closure" = --copy ]; then
  shift
  copy "$@"
else
  main
fi
