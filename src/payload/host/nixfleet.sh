#!/bin/sh
# Usage: nixfleet COMMAND [ARGUMENT...]
#
# The commands of a running host. Each is a script beside this one: COMMAND.sh, whose second line is its usage
# (`# Usage: nixfleet COMMAND …`) and whose third says what it does. That is what makes it a command.
set -eu
folder=$(dirname -- "$(readlink -f -- "$0")")

main() {
  case ${1:-} in
    -h | --help | help) usage ;;
    *)
      script=$folder/${1:-}.sh
      isCommand "${1:-}" || {
        [ "$#" -eq 0 ] || printf 'nixfleet: there is no command %s\n' "$1" >&2
        usage >&2
        exit 2
      }
      shift
      exec /bin/sh "$script" "$@"
      ;;
  esac
}

isCommand() {
  case $1 in '' | *[!a-z-]*) return 1 ;; esac
  [ -f "$folder/$1.sh" ] && [ -n "$(sed -n "2{/^# Usage: nixfleet $1\$/p;/^# Usage: nixfleet $1 /p;}" "$folder/$1.sh")" ]
}

usage() {
  echo 'usage: nixfleet COMMAND [ARGUMENT...]'
  for script in "$folder"/*.sh; do
    sed -n '2{/^# Usage: nixfleet /!q;s/^# Usage: /  /p;};3{s/^# /      /p;q;}' "$script"
  done
}

main "$@"
