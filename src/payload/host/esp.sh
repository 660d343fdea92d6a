# shellcheck shell=sh disable=SC2034
# Files on an EFI system partition, by paths from its top such as loader/loader.conf. ESPS has a line for each: the folder
# where it is mounted, or unmounted: and the partition (or FILE@@OFFSET) that mtools write to. ESP or ESP_IMAGE is the one
# that all of this is about: onEachEsp goes through them, and before it is the first.
# A file is written under another name, brought to the disk, and renamed: a power cut leaves it whole or not there.
# Sourced by generation-store.sh.

export MTOOLS_SKIP_CHECK=1

# onEachEsp COMMAND ARGUMENT…
onEachEsp() {
  espsLeft=$ESPS
  while [ -n "$espsLeft" ]; do
    useEsp
    case $espsLeft in
      *"$LINE_BREAK"*) espsLeft=${espsLeft#*"$LINE_BREAK"} ;;
      *) espsLeft='' ;;
    esac
    "$@"
  done
  espsLeft=$ESPS
  useEsp
}
LINE_BREAK='
'

# The first of those left.
useEsp() {
  ESP=${espsLeft%%"$LINE_BREAK"*} ESP_IMAGE=''
  case $ESP in unmounted:*) ESP_IMAGE=${ESP#unmounted:} ESP='' ;; esac
}

# A disk may be missing, and its ESP with it: then the others go on, and it is made like them when it is back.
leaveOutMissingEsps() {
  present='' missing=''
  espsLeft=$ESPS
  onEachEsp findEsp
  [ -z "$ESPS" ] || [ -n "$present" ] ||
    fail "the EFI system partition is not mounted on$missing: mount$missing"
  [ -z "$missing" ] || printf 'nixfleet: no EFI system partition is mounted on%s: it stays as it is\n' "$missing" >&2
  ESPS=$present espsLeft=$present
  useEsp
}

findEsp() {
  if [ -n "$ESP_IMAGE" ] || mountpoint -q -- "$ESP"; then
    present="$present${present:+$LINE_BREAK}${ESP:-unmounted:$ESP_IMAGE}"
  else
    missing="$missing $ESP"
  fi
}

espHas() {
  if [ -n "$ESP_IMAGE" ]; then
    mdir -b -i "$ESP_IMAGE" "::/$1" >/dev/null 2>&1
  else
    [ -e "$ESP/$1" ]
  fi
}

# The names in a folder, one a line.
espList() {
  if [ -n "$ESP_IMAGE" ]; then
    mdir -b -i "$ESP_IMAGE" "::/$1" 2>/dev/null | while IFS= read -r name; do
      name=${name%/}
      printf '%s\n' "${name##*/}"
    done
  else
    for name in "$ESP/$1"/*; do
      [ ! -e "$name" ] || printf '%s\n' "${name##*/}"
    done
  fi
}

espRead() {
  if [ -n "$ESP_IMAGE" ]; then mtype -i "$ESP_IMAGE" "::/$1"; else cat -- "$ESP/$1"; fi
}

# espPut SOURCE PATH: fails, and leaves PATH as it was, where it cannot be written.
espPut() {
  espMakeFolder "${2%/*}" && espCopy "$1" "$2.new" && espRename "$2.new" "$2" && return 0
  espRemove "$2.new"
  return 1
}

espMakeFolder() {
  ! espHas "$1" || return 0
  case $1 in */*) espMakeFolder "${1%/*}" || return 1 ;; esac
  if [ -n "$ESP_IMAGE" ]; then mmd -i "$ESP_IMAGE" "::/$1" >&2; else mkdir -- "$ESP/$1"; fi
}

espCopy() {
  if [ -n "$ESP_IMAGE" ]; then
    # Its own checks do not notice a copy that was cut short.
    mcopy -o -i "$ESP_IMAGE" -- "$1" "::/$2" >&2 && mtype -i "$ESP_IMAGE" "::/$2" | cmp -s -- - "$1"
  else
    cp -- "$1" "$ESP/$2" && sync -- "$ESP/$2"
  fi
}

espRename() {
  if [ -n "$ESP_IMAGE" ]; then
    # mtools rename over nothing.
    espRemove "$2"
    mren -i "$ESP_IMAGE" "::/$1" "::/$2" >&2
  else
    mv -f -- "$ESP/$1" "$ESP/$2" && sync -- "$ESP/${2%/*}"
  fi
}

# A file, or a folder with all that it holds; what is not there is no error.
espRemove() {
  espHas "$1" || return 0
  if [ -n "$ESP_IMAGE" ]; then mdeltree -i "$ESP_IMAGE" "::/$1" >&2; else rm -r -- "${ESP:?}/$1"; fi
}

# Sets `free`, in bytes.
espFree() {
  if [ -n "$ESP_IMAGE" ]; then
    free=$(mdir -i "$ESP_IMAGE" :: | sed -n 's/ bytes free$//p' | tr -cd 0-9)
  else
    free=$(($(stat -f -c '%a * %S' -- "$ESP")))
  fi
}
