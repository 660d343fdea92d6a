# shellcheck shell=sh
# Paths that only root can change, and who uses them. Sourced by switch-run.sh.

# isRootsAlone PATH: whether only root can change the folders above PATH, as far as they exist, and none is a link.
isRootsAlone() {
  rest=${1#/} above=''
  set -- /
  while case $rest in */*) ;; *) false ;; esac do
    above=$above/${rest%%/*} rest=${rest#*/}
    set -- "$@" "$above"
  done
  found=$(find "$@" -maxdepth 0 -printf '%y %U %m\n' 2>/dev/null) || :
  [ -n "$found" ] && ! printf '%s\n' "$found" | grep -qv '^d 0 [0-7]*[0145][0145]$'
}

# writeWhole FILE PATH
writeWhole() {
  cp -T -- "$1" "$2.new" && chmod 0644 -- "$2.new" && sync -- "$2.new" && mv -T -- "$2.new" "$2"
}

# Prints the processes that have something open at or below a path.
usersOf() {
  pattern=$(printf '%s' "$1" | sed 's/[][*?\\]/\\&/g')
  find /proc/[0-9]*/cwd /proc/[0-9]*/fd \( -lname "$pattern" -o -lname "$pattern/*" \) -printf '%h\n' 2>/dev/null |
    sed 's|^/proc/\([0-9]*\).*|\1|' | sort -nu | while read -r pid; do
    printf '%s (%s) ' "$pid" "$(tr -cd '[:print:]' 2>/dev/null <"/proc/$pid/comm")"
  done
}
