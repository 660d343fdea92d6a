# shellcheck shell=sh disable=SC2154,SC3013 # fields of a line; -ef is of POSIX 2024
# Entries that a switch places and takes away. Sourced by switch-run.sh.

takeAway() {
  source=$persistRoot$path
  if ! isRootsAlone "$path"; then
    because=', where somebody but root can change a folder above it'
    if [ "$remains" = no ]; then say "$path is no longer declared; it goes at the next boot$because; its data stays at $source, as stray"
    else say "$path is placed as before until the next boot$because"; fi
    return 0
  fi
  noteItsReturn
  if [ "$how" = symlink ]; then
    ! isLinked || rm -- "$path" || return 1
  elif isMounted; then
    umount -- "$path" 2>/dev/null || {
      printf '%s stays as it is, in use by %s\n' "$path" "$(usersOf "$path")" >&2
      return 1
    }
  fi
  remember
  [ "$remains" = yes ] || say "$path is no longer declared; its data stays at $source, as stray"
}

# placed.list says how it is placed now.
noteItsReturn() {
  before=$(grep -F -e "$tab$path$tab" "$PLACED") || return 0
  willUndo place-again "path=$path" "kind=${before%%"$tab"*}" "how=$how" "persistRoot=$persistRoot" "options=${before##*"$tab"}"
}

isLinked() { [ -L "$path" ] && [ "$(readlink -- "$path")" = "$source" ]; }

isMounted() { [ "$path" -ef "$source" ] && findmnt --mountpoint "$path" >/dev/null; }

place() {
  source=$persistRoot$path
  # What could not be taken away stays as it was placed.
  ! grep -q -F -e "$tab$path$tab" "$PLACED" || return 0
  if isLinked || isMounted; then
    rememberPlaced
    return
  fi
  # It shows through an outer entry that could not be taken away.
  [ ! "$path" -ef "$source" ] || return 0
  if ! isRootsAlone "$path" || ! isRootsAlone "$source" || [ -L "$source" ] || holdsData; then
    postpone
    return
  fi
  willUndo unplace "path=$path" "how=$how" "persistRoot=$persistRoot" remains=yes
  [ "$how" = bind ] || [ ! -d "$path" ] || rmdir -- "$path" || return 1
  message=$(linesFor "$path" | systemd-tmpfiles --create - 2>&1) || {
    complain "$message"
    return 1
  }
  [ "$how" = symlink ] || mountEntry || return 1
  rememberPlaced && say "$path is on $persistRoot"
}

mountEntry() {
  mount -o "bind,x-initrd.mount$([ "$options" = - ] || printf ',%s' "$options")" -- "$source" "$path"
}

# Places again what was taken away. If something was written there since, the next boot places it.
placeAgain() {
  source=$persistRoot$path
  isLinked || isMounted || {
    isRootsAlone "$path" && isRootsAlone "$source" && [ ! -L "$source" ] && ! holdsData || return 1
    if [ "$how" = bind ]; then mountEntry
    else { [ ! -d "$path" ] || rmdir -- "$path"; } && ln -sT -- "$source" "$path"; fi || return 1
  }
  rememberPlaced
}

holdsData() {
  if [ -L "$path" ]; then return 0; fi
  if [ "$kind" = directory ] && [ -d "$path" ]; then [ -n "$(ls -A -- "$path")" ]
  elif [ "$how" = bind ] && [ "$kind" = file ] && [ -f "$path" ]; then [ -s "$path" ]
  else [ -e "$path" ]; fi
}

postpone() { say "$path is kept from the next boot on, with what it holds"; }

linesFor() {
  while IFS=$tab read -r entry line; do
    [ "$entry" != "$1" ] || printf '%s\n' "$line"
  done <"$folder/made"
}

rememberPlaced() { remember "$kind$tab$how$tab$persistRoot$tab$path$tab$options"; }

# remember [LINE]: records what is placed at `path`.
remember() {
  while IFS= read -r line; do
    case $line in *"$tab$path$tab"*) ;; *) printf '%s\n' "$line" ;; esac
  done <"$PLACED" >"$folder/remembered"
  [ "$#" -eq 0 ] || printf '%s\n' "$1" >>"$folder/remembered"
  writeWhole "$folder/remembered" "$PLACED"
}
