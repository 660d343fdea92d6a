# shellcheck shell=sh disable=SC2154 # fields of a line
# Units that a switch starts and stops. Sourced by switch-run.sh.

# readUnitsAgain LIST: reloads systemd if the list changes units.
readUnitsAgain() {
  ! grep -q "^[a-z]*${tab}path=/etc/systemd/system/" "$folder/$1" || systemctl daemon-reload ||
    complain "systemd did not reload its units"
}

# A unit that has failed is started again too: what it needed may be there now. Going back restarts what was restarted, also where it
# has failed meanwhile.
changeUnit() {
  case $(systemctl is-active -- "$unit") in
    inactive | unknown) runs=no ;;
    failed) runs=failed ;;
    *) runs=yes ;;
  esac
  case $verb,$runs in
    stop,no | stop,failed | restart,no) return 0 ;;
    stop,yes) willUndo start "unit=$unit" ;;
    start,no | start,failed) willUndo stop "unit=$unit" ;;
    restart,*) willUndo restart "unit=$unit" ;;
  esac
  ask && say "systemctl $verb $unit"
}

# A unit stops as its file says, so it must stop before the file is removed.
ask() {
  if [ "$verb" = stop ]; then timeout 100 systemctl stop -- "$unit"; else systemctl --no-block "$verb" -- "$unit"; fi
}

# Undoes what was done to a unit. A unit that could not start need not stop.
undoUnit() {
  if [ "$verb" = stop ] && ! systemctl --quiet is-active -- "$unit"; then return 0; fi
  ask
}
