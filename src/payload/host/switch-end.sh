#!/bin/sh
# Usage: switch-end.sh FOLDER
#
# Ends a switch, whether it succeeded or not: ExecStopPost of its unit. Undoes an unconfirmed switch, the last step first, and
# reports the result. FOLDER is that of switch.sh, which also has
#   begun      once something may have been changed
#   kept       once it does not go back
#   undo       a line for each step that was begun: how to undo it
# EXIT_STATUS is the exit code of switch.sh, see systemd.exec(5); unset if it never started.
set -eu
here=${0%/*} folder=$1
# shellcheck source=src/payload/host/switch-run.sh
. "$here/switch-run.sh"

main() {
  if [ -e "$folder/kept" ]; then
    if [ "${EXIT_STATUS:-}" = 0 ]; then report switched; else report incomplete; fi
  elif [ ! -e "$folder/begun" ]; then
    report refused
  else
    report going-back
    goBack
    if [ -z "$failed" ]; then report back; else report partly-back; fi
  fi
  sed 's/^nixfleet: //' "$folder/said" "$folder/problems" 2>/dev/null | systemd-cat --identifier=nixfleet-switch 2>/dev/null || :
}

goBack() {
  touch -- "$folder/undo"
  tac -- "$folder/undo" >"$folder/back"
  verb=stop
  eachLine back stop undoUnit
  for each in restore:restore discard:discard unplace:takeAway place-again:placeAgain; do
    eachLine back "${each%:*}" "${each#*:}"
  done
  readUnitsAgain back
  for verb in restart start; do eachLine back "$verb" undoUnit; done
  [ -n "$failed" ] || writeWhole "$folder/closures" "$RECORD"
}

main
