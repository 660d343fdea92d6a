# shellcheck shell=sh disable=SC2034,SC2154 # set for those who source it, and by them
# Shared by the scripts of a switch: paths, the lines of its lists, messages.
# Sourced by switch.sh and switch-end.sh, with `here`, the folder of the scripts, and `folder`, that of the switch.
export LC_ALL=C
umask 022

RECORD=/run/nixfleet/closure PLACED=/etc/nixfleet/placed.list LOCK=/run/nixfleet/switch/lock
REFUSED=2 # the exit code of a switch that changed nothing
tab=$(printf '\t')
failed=''
read -r closure <"$folder/closure"
read -r confirm <"$folder/confirm"

# eachLine LIST VERB FUNCTION: calls it for each line of that verb, with the line's fields in variables of their names.
eachLine() {
  wanted=$2 function=$3
  while IFS= read -r line <&8; do
    case $line in "$wanted$tab"*) ;; *) continue ;; esac
    readFields "${line#*"$tab"}"
    "$function" || complain "failed: $wanted ${path:-$unit}"
  done 8<"$folder/$1"
}

# Fields are NAME=value, with tabs between.
readFields() {
  path='' unit='' kind='' how='' persistRoot='' options='' remains='' copy=''
  fields=$1$tab
  while [ -n "$fields" ]; do
    field=${fields%%"$tab"*} fields=${fields#*"$tab"}
    value=${field#*=}
    case $field in
      path=*) path=$value ;;
      unit=*) unit=$value ;;
      kind=*) kind=$value ;;
      how=*) how=$value ;;
      persistRoot=*) persistRoot=$value ;;
      options=*) options=$value ;;
      remains=*) remains=$value ;;
      copy=*) copy=$value ;;
    esac
  done
}

# willUndo VERB FIELD…: records how to undo the next step, for switch-end.sh.
willUndo() {
  undoing=$1
  shift
  for field in "$@"; do undoing=$undoing$tab$field; done
  printf '%s\n' "$undoing" >>"$folder/undo"
}

say() { printf '%s\n' "$1"; }

complain() {
  printf 'nixfleet: %s\n' "$1" >&2
  failed=yes
}

# report OUTCOME, one word: for switch-follow.sh and `nixfleet status`.
#   running, waiting (for a confirmation), going-back; and as the last one:
#   switched, incomplete, refused (nothing was changed), back (as it was before), partly-back
report() {
  printf '%s\n' "$1" >"$folder/outcome.new"
  mv -T -- "$folder/outcome.new" "$folder/outcome"
  printf '%s\n' "outcome=$1" "closure=$closure" "confirm=$confirm" end >/run/nixfleet/switch.report.new
  mv -T -- /run/nixfleet/switch.report.new /run/nixfleet/switch.report
}

# shellcheck source=src/payload/host/switch-paths.sh
. "$here/switch-paths.sh"
# shellcheck source=src/payload/host/switch-entries.sh
. "$here/switch-entries.sh"
# shellcheck source=src/payload/host/switch-files.sh
. "$here/switch-files.sh"
# shellcheck source=src/payload/host/switch-units.sh
. "$here/switch-units.sh"
