# Sourced. Keeps which ids the host's accounts have: data on the persist roots belongs to numbers, not to names.
# uid-map and gid-map are as NixOS has them: JSON, the id by name. What they hold is never changed, also where the closure
# says otherwise or has no such account any more; that is said. No processes where nothing is new.
# The caller has complain.
# shellcheck shell=sh

# $1 is the folder of the maps, $2 that of passwd and group.
keepIds() {
  keepMap user "$1/uid-map" "$2/passwd"
  keepMap group "$1/gid-map" "$2/group"
}

keepMap() {
  known=' '
  readMap "$2" || {
    complain "$2 is not a map of ids, so nothing checks the $1 ids of this host: repair the file, or remove it"
    return 0
  }
  before=$known
  while IFS=: read -r name _ id _; do
    case $name in '' | *[!A-Za-z0-9_.$-]*) continue ;; esac
    case $id in '' | *[!0-9]* | ???????????*) continue ;; esac
    # Those below are Debian's for good, those between are given for a while, or nobody's.
    if [ "$id" -lt 100 ] || { [ "$id" -ge 61184 ] && [ "$id" -le 65535 ]; }; then continue; fi
    case $known in
      *" $name:$id "*) ;;
      *" $name:"*) recorded=${known#*" $name:"} && complainOfId "$1" "$name" "$id" "${recorded%% *}" ;;
      *":$id "*)
        recorded=${known%%":$id "*}
        complain "the $1 $name has the id $id, which belonged to ${recorded##* }: data of ${recorded##* } on the persist root now belongs to $name"
        ;;
      *) known="$known$name:$id " ;;
    esac
  done <"$3"
  [ "$known" = "$before" ] || writeMap "$2" || complain "cannot write $2"
}

complainOfId() {
  number=uid
  [ "$1" = user ] || number=gid
  way="\"$2\": $4 in ids.$1s of nixfleet.lock"
  if [ "$3" -ge 1000 ] || { [ "$3" -ge 400 ] && [ "$3" -lt 900 ]; }; then way="users.$1s.$2.$number = $4"; fi
  complain "the $1 $2 has the id $3 in this closure, but its data on this host belongs to $4: set $way, then build again"
}

# Adds ` name:id` for each to `known`. Fails where it is not whole: a number that is cut short is another one.
readMap() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
  if [ ! -f "$1" ] || [ -L "$1" ]; then return 1; fi
  map='' name=''
  while IFS= read -r line || [ -n "$line" ]; do [ -z "$line" ] || map="$map$line "; done <"$1"
  case $map in '{'*'} ') ;; *) return 1 ;; esac
  map=${map#?}
  IFS=' 	,:'
  set -f
  # shellcheck disable=SC2086 # into words
  set -- ${map%'} '}
  set +f
  unset IFS
  for word; do
    case $word in
      '"'*'"')
        [ -z "$name" ] || return 1
        name=${word#?} name=${name%?}
        case $name in '' | *[!A-Za-z0-9_.$-]*) return 1 ;; esac
        ;;
      *[!0-9]* | 0?* | ???????????*) return 1 ;;
      *)
        [ -n "$name" ] || return 1
        known="$known$name:$word " name=''
        ;;
    esac
  done
  [ -z "$name" ]
}

# Whole or not at all.
writeMap() {
  rm -f -- "$1.new" &&
    (set -C && printMap >"$1.new") &&
    sync -- "$1.new" &&
    mv -T -- "$1.new" "$1" &&
    sync -- "${1%/*}"
}

printMap() {
  separator='{'
  for pair in $known; do
    printf '%s\n  "%s": %s' "$separator" "${pair%:*}" "${pair#*:}"
    separator=,
  done
  printf '\n}\n'
}
