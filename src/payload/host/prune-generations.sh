# shellcheck shell=sh disable=SC2034,SC2154 # set for those who source it, and by them
# Which generations stay. Sourced by generation-store.sh.

# pruneGenerations COUNT: keeps so many of the newest, and whatever their number the one that runs, the one a rollback has
# chosen, and the newest that has proved itself.
pruneGenerations() {
  readNumbers
  readRunning
  default='' proved='' kept=0
  [ -z "$ESPS" ] || readSystemdBootDefault
  [ -z "$GRUB" ] || readGrubDefault
  for number in $(printf '%s\n' "$numbers" | sort -rn); do
    readGeneration "$number"
    readState "$number"
    kept=$((kept + 1))
    if [ "$state" = good ] && [ -z "$proved" ]; then
      proved=$number
    elif [ "$kept" -gt "$1" ] && [ "$closure" != "$running" ] && [ "$number" != "$default" ]; then
      rm -f -- "$STATE/generations/$number"
      gone=yes
    fi
  done
  [ -n "${gone:-}" ] || return 0
  onEachEsp removeStaleBootFiles
  [ -z "$GRUB" ] || grubWrite "$default"
}

# Sets `state`, of a generation: what its loader knows of it.
readState() {
  if [ -n "$ESPS" ]; then systemdBootState "$1"; else grubState "$1"; fi
}
