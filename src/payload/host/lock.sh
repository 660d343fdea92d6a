# shellcheck shell=sh
# Sourced by whoever may not run at the same time as another.

# takeLock FILE: holds it as file descriptor 9, until this process ends. A lock can be held by whoever can open its file,
# so that is in a folder which nobody but root can enter. It says which process holds it, for those who wait.
takeLock() {
  mkdir -p -- "${1%/*}"
  chmod 0700 -- "${1%/*}"
  exec 9<>"$1"
  flock --nonblock 9 || {
    printf 'nixfleet: waiting for %s\n' "$(lockHolder "$1")" >&2
    flock 9
  }
  { printf '%s\n' "$$" >"$1"; } 2>/dev/null || : # for messages only, and the disk may be full
}

# lockHolder FILE
lockHolder() {
  pid=''
  read -r pid <"$1" || :
  line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | tr -cd '[:print:]' | cut -c 1-200) || line=''
  printf '%s' "${pid:+process $pid${line:+ ($line)}, }which holds the lock $1"
}
