#!/bin/sh
# Usage: activate.sh SYSROOT [CLOSURE [CONF]]
#
# Fills the fresh root at SYSROOT with what the closure declares, by a number of processes that does not grow with it:
#   /usr            bound from the closure, read-only
#   tmpfiles.conf   folders, owners and links, for systemd-tmpfiles
#   fstab           what is bound from the persist roots, for mount
#   shipped.list    what the packages ship at and below entries, for shipped.sh
#   files.list      files that are bound if they exist and linked if not: source, path, line of fstab, with tabs between
# CLOSURE is by default what the kernel command line names. CONF (default /etc/nixfleet/activate.conf) has:
#   MACHINE_ID      the source of /etc/machine-id on the persist root, made when it is not there; may be empty
#   KEYS            lines of user and path: folders that become this user's with all that they hold
#
# Without /usr or a persist root there is nothing to boot: failure. An entry that fails costs that entry: it is said,
# and is in the report, /run/nixfleet/activation.json (or REPORT in CONF).
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/initrd/shipped.sh
. "${0%/*}/shipped.sh"

sysroot=${1%/} closure=${2:-}
REPORT=/run/nixfleet/activation.json
# shellcheck source=/dev/null
. "${3:-/etc/nixfleet/activate.conf}"
runtime=${REPORT%/*} outcome=failed problems=''
tab=$(printf '\t')

main() {
  mkdir -p -- "$runtime"
  trap 'writeReport >"$REPORT"' EXIT
  [ -n "$closure" ] || readKernelCommandLine
  [ -d "$sysroot$closure/usr" ] || fail "there is no closure $closure"
  mountUsr
  [ -z "$MACHINE_ID" ] || makeMachineId "$sysroot$MACHINE_ID" || complain "$MACHINE_ID cannot be made"
  makeShipped "$sysroot$closure/shipped.list"
  chooseFiles
  placeEntries
  [ -z "$KEYS" ] || giveKeys
  outcome=complete
  [ -z "$problems" ] || outcome=incomplete
}

readKernelCommandLine() {
  read -r words </proc/cmdline || :
  set -f
  for word in $words; do
    case $word in nixfleet.closure=/nix/store/*) closure=${word#*=} ;; esac
  done
  set +f
  [ -n "$closure" ] || fail "the kernel command line names no closure (nixfleet.closure=/nix/store/…)"
}

mountUsr() {
  [ -d "$sysroot/usr" ] || mkdir "$sysroot/usr"
  mount --bind -o ro -- "$sysroot$closure/usr" "$sysroot/usr" || fail "/usr cannot be mounted"
}

# Made once, whole or not at all: 32 digits, from the kernel's random numbers (machine-id(5)).
makeMachineId() {
  id=''
  [ ! -f "$1" ] || read -r id <"$1" || :
  case $id in
    *[!0-9a-f]* | 00000000000000000000000000000000) ;;
    ????????????????????????????????) return 0 ;;
  esac
  [ -z "$id" ] || complain "$MACHINE_ID was not a machine id: $id"
  read -r uuid </proc/sys/kernel/random/uuid
  id=''
  while [ -n "$uuid" ]; do
    id=$id${uuid%%-*}
    case $uuid in *-*) uuid=${uuid#*-} ;; *) uuid='' ;; esac
  done
  mkdir -p -- "${1%/*}" &&
    rm -f -- "$1.new" &&
    (set -C && printf '%s\n' "$id" >"$1.new") &&
    chmod 0444 -- "$1.new" &&
    sync -- "$1.new" &&
    mv -T -- "$1.new" "$1" &&
    sync -- "${1%/*}"
}

# What exists is bound, what does not yet is linked, so that it comes to be on the persist root.
chooseFiles() {
  : >"$runtime/tmpfiles.conf"
  : >"$runtime/fstab"
  [ -e "$sysroot$closure/files.list" ] || return 0
  while IFS=$tab read -r source path line; do
    escape "$path"
    if [ -f "$sysroot$source" ] && [ ! -L "$sysroot$source" ]; then
      printf 'f "%s" 0600 root root -\n' "$escaped" >&3
      printf '%s\n' "$line" >&4
    elif [ -e "$sysroot$source" ] || [ -L "$sysroot$source" ]; then
      complain "$source is not a file, so it is not placed at $path"
    else
      printf 'L "%s" - - - - ' "$escaped" >&3
      escape "$source"
      # At the end of a line tmpfiles.d(5) drops white space.
      case $escaped in *' ') escaped=${escaped% }'\x20' ;; esac
      printf '%s\n' "$escaped" >&3
    fi
  done <"$sysroot$closure/files.list" 3>>"$runtime/tmpfiles.conf" 4>>"$runtime/fstab"
}

# Sets `escaped` to $1 as tmpfiles.d(5) reads it: with `%` doubled, and C escapes.
escape() {
  escaped=$1
  case $1 in *[\\\"%]*) ;; *) return 0 ;; esac
  rest=$1 escaped=''
  while [ -n "$rest" ]; do
    character=${rest%"${rest#?}"} rest=${rest#?}
    case $character in
      \\ | \") escaped=$escaped\\$character ;;
      %) escaped=$escaped%% ;;
      *) escaped=$escaped$character ;;
    esac
  done
}

placeEntries() {
  message=$(systemd-tmpfiles --root="$sysroot/" --create "$sysroot$closure/tmpfiles.conf" "$runtime/tmpfiles.conf" 2>&1) ||
    complain "$message"
  message=$(mount --all --fstab "$sysroot$closure/fstab" --fstab "$runtime/fstab" --target-prefix "$sysroot" 2>&1) ||
    complain "$message"
}

# Nobody is there yet to change anything meanwhile. No link is followed, no other filesystem entered, and a file with a
# further name elsewhere stays as it is: the user may have given it that name without having owned it.
giveKeys() {
  while read -r user path; do
    keys=$sysroot$path
    if [ ! -d "$keys" ] || [ -L "$keys" ]; then continue; fi
    findOwner "$user" || {
      complain "$path is given to nobody: there is no user $user"
      continue
    }
    message=$(find "$keys" -xdev ! \( -uid "${owner%:*}" -gid "${owner#*:}" \) \
      \( \( -type d -o -links 1 \) -exec chown -h "$owner" {} + -o -printf 'left as it is, it has several names: %p\n' \) 2>&1) || :
    [ -z "$message" ] || complain "$message"
  done <<EOF
$KEYS
EOF
}

# Sets `owner` to the user's ids on the host, not in the initrd.
findOwner() {
  while IFS=: read -r name _ uid gid _; do
    [ "$name" = "$1" ] || continue
    owner=$uid:$gid
    return 0
  done <"$sysroot/etc/passwd"
  return 1
}

complain() {
  say "$1"
  problems="$problems$1
"
}

fail() {
  complain "THE ROOT IS NOT ACTIVATED: $1"
  exit 1
}

writeReport() {
  printf '{"outcome":"%s","closure":' "$outcome"
  jsonString "$closure"
  printf ',"problems":['
  separator=''
  while read -r problem; do
    [ -n "$problem" ] || continue
    printf '%s' "$separator"
    jsonString "$problem"
    separator=,
  done <<EOF
$problems
EOF
  printf ']}\n'
}

main
