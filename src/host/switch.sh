#!/bin/sh
# Usage: switch.sh CLOSURE OLD_CLOSURE FOLDER
#
# Makes the running host what CLOSURE, in the store, declares. FOLDER, of root's alone, has what is to be done: `list`,
# with the lines that src/plan/switch.ts describes, and parents.conf and entries.conf for systemd-tmpfiles. Prints what
# it does. Whatever fails costs only itself, and the exit code is 1; running it again goes on with it.
#
# Users run meanwhile, and may exchange folders of theirs for links. So a folder is entered by its path without links or
# not at all, what is mounted is what was opened, and copies are made where a link leads nowhere else.
# shellcheck disable=SC3013 # -ef is of POSIX 2024
set -eu
export LC_ALL=C
umask 022

tab=$(printf '\t')
failed=''

main() {
  : >"$folder/left"
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

# perform CONF: but for the entries that are left as they are, whose data would else seem to be there already.
perform() {
  conf=$folder/$1
  set --
  while IFS= read -r path; do set -- "$@" --exclude-prefix="$path"; done <"$folder/left"
  message=$(systemd-tmpfiles --create "$@" "$conf" 2>&1) || complain "$message"
}

# leave PERSIST_ROOT PATH: nothing more is done to it in this run.
leave() {
  printf '%s\n' "$2" "$1$2" >>"$folder/left"
  return 1
}

isLeft() { grep -Fxq -e "$1" "$folder/left"; }

say() { printf '%s\n' "$1"; }

complain() {
  printf 'nixfleet: %s\n' "$1" >&2
  failed=yes
}

# Enters a folder by its path without links.
enter() {
  # shellcheck disable=SC2164 # what is asked
  cd -P -- "${1:-/}" 2>/dev/null && [ "$PWD" = "${1:-/}" ]
}

# openPath KIND PATH: opens it as 7, by its path without links; a pipe in its place holds nothing up.
openPath() {
  if [ "$1" = directory ]; then
    enter "$2" && exec 7<.
  else
    [ -f "$2" ] && command exec 7<>"$2" && [ "$(readlink /proc/self/fd/7)" = "$2" ]
  fi
}

# unplace KIND HOW USER PERSIST_ROOT PATH SOURCE WHY
unplace() {
  (
    name=./${5##*/}
    if [ "$2" = symlink ]; then
      enter "${5%/*}" && [ "$(readlink -- "$name")" = "$6" ] || exit 0
      rm -- "$name"
    else
      if [ "$1" = directory ]; then enterAbove "$5" "$6" || exit 0
      else
        enter "${5%/*}" && [ "$name" -ef "$6" ] && findmnt --mountpoint "$5" >/dev/null || exit 0
        [ "$3" = - ] || {
          say "$5 is placed as before until the next boot: a single file in a home cannot be taken away while its user may be there"
          exit 0
        }
      fi
      umount -c -- "$name" 2>/dev/null || {
        printf '%s stays as it is, in use by %s\n' "$5" "$(usersOf "$5")" >&2
        exit 1
      }
      umount --fake -c -- "$5" 2>/dev/null || : # what mount remembers of it, by its whole path
    fi
    [ "$7" = changed ] || say "$5 is no longer declared; its data stays at $6, as stray"
  ) || leave "$4" "$5"
}

# enterAbove PATH SOURCE: the folder above PATH, if SOURCE is mounted there. From the root of a mount `..` leads to
# where it is mounted, and nobody can rename that.
enterAbove() {
  enter "$1" && [ . -ef "$2" ] || return 1
  inside=$(mountId)
  cd -P .. && [ "$inside" != "$(mountId)" ]
}

mountId() { sed -n 's/^mnt_id:[[:space:]]*//p' /proc/self/fdinfo/6 6<.; }

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
  if [ "$7" -ef "$6$7" ] || isLeft "$7"; then return 0; fi
  if [ -L "$7" ]; then
    say "$7 was a link, which is kept beside it, as ${7##*/}.before-switch"
    setAside "$4" "$7" || leave "$6" "$7"
    return
  fi
  if [ ! -e "$7" ]; then return 0; fi
  if [ "$1" = directory ] && [ -z "$(ls -A -- "$7")" ]; then
    [ "$2" = bind ] || as "$4" rmdir -- "$7" || leave "$6" "$7"
    return
  fi
  if [ -e "$6$7" ] && [ "$5" = none ]; then
    say "$7 has data on the persist root already: that is shown from now on, and what was there goes with this root"
  else
    unshare --mount --propagation private -- sh "$0" --copy "$folder" "$1" "$4" "$6" "$7" || {
      leave "$6" "$7"
      return
    }
    say "$7 is kept from now on, with what it held"
    others=$(usersOf "$7")
    [ -z "$others" ] || [ "$2" = symlink ] || say "restart what still writes to the former $7: $others"
  fi
  [ "$2" = bind ] || setAside "$4" "$7" || leave "$6" "$7"
}

# copy KIND USER PERSIST_ROOT PATH, in a mount namespace of its own. The copy gets its name last and whole, so that an
# interruption leaves the original. It is made by root, so that it has every owner, and where there is nothing but the
# original, the copy and /usr. Nothing that is mounted inside is copied: it stays where it is.
copy() {
  staging=$3/.nixfleet/taking view=$folder/view source=$3$4
  { [ -d "$3/.nixfleet" ] || mkdir -m 0700 -- "$3/.nixfleet"; } && rm -rf --one-file-system -- "$staging" &&
    mkdir -m 0700 -- "$staging" && mkdir -p -- "$view" || return 1
  if copyInView "$@" && sync -f -- "$staging" && giveName "$@" && sync -f -- "$staging"; then
    rm -rf --one-file-system -- "$staging"
  else
    rm -rf --one-file-system -- "$staging"
    return 1
  fi
}

copyInView() {
  mount -t tmpfs -o nosuid,nodev,mode=0700 view "$view" && mkdir -- "$view/usr" "$view/copy" &&
    ln -s usr/bin usr/lib usr/lib64 "$view" && mount --bind /usr "$view/usr" &&
    mount --bind -- "$staging" "$view/copy" || return 1
  if [ "$1" = directory ]; then mkdir -- "$view/original"; else : >"$view/original"; fi
  (openPath "$1" "$4" && mount -c --bind /proc/self/fd/7 "$view/original") || return 1
  chroot "$view" cp -a --reflink=auto -T -- original copy/new
}

# giveName KIND USER PERSIST_ROOT PATH
giveName() {
  cd -- "$staging" || return 1
  if [ -e "$source" ]; then
    grep "^inside$tab$4$tab" "$folder/list" | while IFS= read -r line; do
      rm -rf -- "new${line##*"$tab$4"}"
    done
    cd new && stays=$(as "$2" sh "$0" --move-missing "$source") && [ -z "$stays" ]
  else
    enter "${source%/*}" && mv --no-copy -T -- "$staging/new" "./${source##*/}"
  fi
}

# Entries of before lie in it: their data stays as it is, and what else is there already goes before what was copied.
# Prints what cannot be moved.
moveMissing() {
  find . -type d -exec test -d "$1/{}" \; -exec chown --reference={} -- "$1/{}" \; \
    -exec chmod --reference={} -- "$1/{}" \; -o -exec test -e "$1/{}" -o -L "$1/{}" \; -o \
    -prune -exec mv --no-copy -T -- {} "$1/{}" \; -o -print
}

# as USER COMMAND…
as() {
  user=$1
  shift
  if [ "$user" = - ]; then "$@"; else setpriv --reuid "$user" --regid "$(id -g -- "$user")" --init-groups -- "$@"; fi
}

setAside() {
  as "$1" mv -T -- "$2" "$2.before-switch"
}

# put KIND HOW OPTIONS USER HOLDS PERSIST_ROOT PATH
put() {
  if [ "$2" = symlink ] || [ "$7" -ef "$6$7" ] || isLeft "$7"; then return 0; fi
  # The new mount gets its options before it has a place. No link there is followed (move_mount(2)).
  (openPath "$1" "$6$7" && enter "${7%/*}" && mount -n -c --bind -o "$3" /proc/self/fd/7 "./${7##*/}") || return 1
  # Options for programs, as x-gvfs-hide, mount remembers by the whole path.
  [ "$3" = bind ] || mount --fake -c --bind -o "$3" -- "$6$7" "$7" || return 1
  say "$7 is on $6"
}

# writeFile PATH
writeFile() {
  if isAsIn "$closure" "$1"; then return 0; fi
  isAsIn "$old" "$1" || say "$1 had been changed here; it is as declared again"
  mkdir -p -- "${1%/*}" && cp -a -T -- "$closure/root$1" "$1.nixfleet-new" && mv -T -- "$1.nixfleet-new" "$1" &&
    say "$1 is as declared now"
}

# removeFile PATH
removeFile() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
  if isAsIn "$old" "$1"; then rm -- "$1" && say "$1 is removed"
  else say "$1 is no longer declared, but was changed here: it goes at the next boot"; fi
}

# isAsIn CLOSURE PATH: of one kind, and with the same contents, owner and mode.
isAsIn() {
  [ "$(fileOf "$1/root$2")" = "$(fileOf "$2")" ] && { [ ! -f "$2" ] || [ -L "$2" ] || cmp -s -- "$2" "$1/root$2"; }
}

fileOf() { find "$1" -maxdepth 0 -printf '%y %m %U %G %l' 2>/dev/null; }

changeUnit() {
  if [ "$verb" = stop ] && ! systemctl --quiet is-active -- "$1"; then return 0; fi
  systemctl --no-block "$verb" -- "$1" && say "systemctl $verb $1"
}

case $1 in
  --copy)
    folder=$2
    shift 2
    copy "$@"
    ;;
  --move-missing) moveMissing "$2" ;;
  *)
    closure=$1 old=$2 folder=$3
    main
    ;;
esac
