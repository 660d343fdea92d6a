#!/bin/sh
# Usage: activate.sh SYSROOT [CLOSURE [CONF]]
#
# Fills the fresh root at SYSROOT with what the closure declares, by a number of processes that does not grow with it:
#   /usr            bound from the closure, read-only
#   tmpfiles.conf   folders, owners and links, for systemd-tmpfiles
#   fstab           what is bound from the persist roots, for mount
#   shipped.list    what the packages ship at and below entries, for shipped.sh
#   files.list      files that are linked, for replaced-files.sh
#   owners.list     whose the data on the persist roots is declared to be: mode, user, group and path, with tabs between
# CLOSURE is by default what the kernel command line names. CONF (default /etc/nixfleet/activate.conf) has:
#   MACHINE_ID      the source of /etc/machine-id on the persist root, made when it is not there; may be empty
#   ID_MAPS         the folder on the persist root with the maps of ids, for ids.sh; may be empty
#   KEYS            lines of user and path: folders that become this user's with all that they hold
#   ROOT_DEVICE     the filesystem that holds old roots; empty where the root is not ephemeral
#   STATE           a folder of root's on the persist root, for what activation has to remember
#
# Without /usr or a persist root there is nothing to boot: failure. An entry that fails costs that entry: it is said,
# and is in the report, /run/nixfleet/activation.json (or REPORT in CONF).
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/initrd/ids.sh
. "${0%/*}/ids.sh"
# shellcheck source=src/initrd/shipped.sh
. "${0%/*}/shipped.sh"
# shellcheck source=src/initrd/links.sh
. "${0%/*}/links.sh"
# shellcheck source=src/initrd/replaced-files.sh
. "${0%/*}/replaced-files.sh"

sysroot=${1%/} closure=${2:-}
REPORT=/run/nixfleet/activation.json
# shellcheck source=/dev/null
. "${3:-/etc/nixfleet/activate.conf}"
runtime=${REPORT%/*} outcome=failed problems='' carried='' differences=''
tab=$(printf '\t')

main() {
  mkdir -p -- "$runtime"
  trap 'writeReport >"$REPORT"' EXIT
  [ -n "$closure" ] || readKernelCommandLine
  [ -d "$sysroot$closure/usr" ] || fail "there is no closure $closure"
  mountUsr
  [ -z "$MACHINE_ID" ] || makeMachineId "$sysroot$MACHINE_ID" || complain "$MACHINE_ID cannot be made"
  makeShipped "$sysroot$closure/shipped.list"
  placeEntries
  [ -z "$ROOT_DEVICE" ] || carryReplacedFiles "$sysroot$closure/files.list"
  [ -z "${ID_MAPS:-}" ] || keepIds "$sysroot$ID_MAPS" "$sysroot/etc"
  [ -z "$KEYS" ] || giveKeys
  compareOwners "$sysroot$closure/owners.list"
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

placeEntries() {
  message=$(systemd-tmpfiles --root="$sysroot/" --create "$sysroot$closure/tmpfiles.conf" 2>&1) ||
    complain "$message"
  withoutUsersLinks "$sysroot$closure/fstab"
  message=$(mount --all --fstab "$fstab" --target-prefix "$sysroot" 2>&1) ||
    complain "$message"
  # Options for programs, as x-gvfs-hide, mount keeps by target; on the host that is without the sysroot.
  [ ! -s /run/mount/utab ] || sed -i "s| TARGET=$sysroot/| TARGET=/|; s| BINDSRC=$sysroot/| BINDSRC=/|" /run/mount/utab
}

# No link is followed, not even one that takes a folder's place meanwhile; no other filesystem is entered; and a file
# with a further name elsewhere stays as it is: the user may have given it that name without having owned it. Of such
# only the first are said: else a user could make the next boot wait for a million lines.
giveKeys() {
  while read -r user path; do
    keys=$sysroot$path
    if [ ! -d "$keys" ] || [ -L "$keys" ]; then continue; fi
    findOwner "$user" || {
      complain "$path is given to nobody: there is no user $user"
      continue
    }
    message=$(find "$keys" -xdev ! \( -uid "${owner%:*}" -gid "${owner#*:}" \) \
      \( \( -type d -o -links 1 \) -execdir chown -h "$owner" {} + -o -printf 'left as it is, it has several names: %p\n' \) 2>&1 |
      sed '20s/.*/and more/;21,$d') || :
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

# What existed keeps its owner and mode; where they are not as declared, that is said. The names are the host's.
compareOwners() {
  [ -s "$1" ] || return 0
  while IFS=$tab read -r _ _ _ path; do printf '%s\0' "$path"; done <"$1" |
    chroot "$sysroot" find -files0-from - -maxdepth 0 -printf '%04m\t%u\t%g\t%U\t%G\t%p\n' \
      >"$runtime/owners" 2>/dev/null || :
  while IFS=$tab read -r mode user group path; do
    [ -n "${actual:-}" ] || IFS=$tab read -r is isUser isGroup uid gid actual <&3 || break
    # What is not there has no line of its own.
    [ "$actual" = "$path" ] || continue
    actual=''
    case $mode,$user,$group in "$is,$isUser,$isGroup" | "$is,$uid,$gid") continue ;; esac
    differences="$differences$path is $isUser:$isGroup $is, declared is $user:$group $mode: it is left as it is
"
  done <"$1" 3<"$runtime/owners"
  [ -z "$differences" ] || say "${differences%?}"
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
  printf ',"problems":'
  jsonLines "$problems"
  printf ',"differences":'
  jsonLines "$differences"
  printf ',"carried":'
  jsonLines "$carried"
  printf '}\n'
}

main
