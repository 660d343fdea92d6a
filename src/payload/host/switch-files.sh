# shellcheck shell=sh disable=SC2154 # fields of a line
# Declared files that a switch writes and removes. Sourced by switch-run.sh.

writeFile() {
  if ! isRootsAlone "$path"; then
    say "$path is as declared from the next boot on: somebody but root can change a folder above it"
    return 0
  fi
  if isAsIn "$closure"; then return 0; fi
  [ ! -e "$path" ] || isAsBefore || say "$path had been changed here; it is as declared again"
  keepCopy && putFile "$closure/root$path" && say "$path is as declared now"
}

# putFile FILE: puts it at `path`, complete or not at all.
putFile() {
  mkdir -p -- "${path%/*}" && rm -rf -- "$path.nixfleet-new" && cp -a -T -- "$1" "$path.nixfleet-new" &&
    mv -T -- "$path.nixfleet-new" "$path"
}

removeFile() {
  if ! isRootsAlone "$path"; then
    say "$path is no longer declared; it goes at the next boot: somebody but root can change a folder above it"
  elif [ ! -e "$path" ] && [ ! -L "$path" ]; then return 0
  elif isAsBefore; then keepCopy && rm -- "$path" && say "$path is removed"
  else say "$path is no longer declared, but was changed here: it goes at the next boot"; fi
}

# Copies what is at `path`, for going back.
keepCopy() {
  if [ -f "$path" ] || [ -L "$path" ]; then
    copies=$((${copies:-0} + 1))
    mkdir -p -- "$folder/before" && cp -a -T -- "$path" "$folder/before/$copies" && willUndo restore "path=$path" "copy=$copies"
  elif [ ! -e "$path" ]; then willUndo discard "path=$path"; fi
}

restore() { isRootsAlone "$path" && putFile "$folder/before/$copy"; }

discard() { isRootsAlone "$path" && rm -f -- "$path"; }

isAsBefore() {
  while IFS= read -r before; do
    ! isAsIn "$before" || return 0
  done <"$folder/both"
  return 1
}

# isAsIn CLOSURE: whether kind, content, owner and mode are the same there.
isAsIn() {
  [ "$(fileOf "$1/root$path")" = "$(fileOf "$path")" ] &&
    { [ ! -f "$path" ] || [ -L "$path" ] || cmp -s -- "$path" "$1/root$path"; }
}

fileOf() { find "$1" -maxdepth 0 -printf '%y %m %U %G %l' 2>/dev/null; }
