# shellcheck shell=sh disable=SC2154 # fields of a line
# Units that a switch starts and stops. Sourced by switch-run.sh.

# readUnitsAgain LIST: reloads systemd if the list changes units.
readUnitsAgain() {
  ! grep -q "^[a-z]*${tab}path=/etc/systemd/system/" "$folder/$1" || systemctl daemon-reload ||
    complain "systemd did not reload its units"
}

changeUnit() {
  if systemctl --quiet is-active -- "$unit"; then isActive=yes; else isActive=no; fi
  case $verb,$isActive in
    stop,no) return 0 ;;
    stop,yes) willUndo start "unit=$unit" ;;
    start,no) willUndo stop "unit=$unit" ;;
    try-restart,yes) willUndo try-restart "unit=$unit" ;;
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
