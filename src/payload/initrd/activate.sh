#!/bin/sh
# Usage: activate.sh SYSROOT [CLOSURE [CONF]]
#
# Fills the fresh root at SYSROOT with what the closure declares, by a number of processes that does not grow with it:
#   /usr            bound from the closure, read-only, with its set-user-ID programs
#   tmpfiles.conf   folders, owners and links, for systemd-tmpfiles
#   fstab           what is bound from the persist roots, for mount
#   entries.list    every entry that is placed, for carry-over.sh; and parents.conf, the folders above them
#   managed.fstab   what the closure manages inside entries, for managed.sh
#   shipped.list    what the packages ship at and below entries, for shipped.sh
#   owners.list     whose the data on the persist roots is declared to be: mode, user, group and path, with tabs between;
#                   `-` where nobody says
# CLOSURE is by default what the kernel command line names. CONF (default /etc/nixfleet/activate.conf) has:
#   MACHINE_ID      the source of /etc/machine-id on the persist root, made when it is not there; may be empty
#   ID_MAPS         the folder on the persist root with the maps of ids, for ids.sh; may be empty
#   ROOTS           lines: persist roots that are folders of what is mounted, made where they are missing
#   KEYS            lines of user and path: folders in homes that become this user's, once, with all that they hold
#   ROOT_DEVICE     the filesystem that holds old roots; empty where the root is not ephemeral
#   STATE           a folder of root's on the persist root, for what activation has to remember
#
# Without /usr or a persist root there is nothing to boot: failure. An entry that fails costs that entry: it is said,
# and is in the report, /run/nixfleet/activation.report (or REPORT in CONF).
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/payload/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/payload/initrd/ids.sh
. "${0%/*}/ids.sh"
# shellcheck source=src/payload/initrd/shipped.sh
. "${0%/*}/shipped.sh"
# shellcheck source=src/payload/initrd/links.sh
. "${0%/*}/links.sh"
# shellcheck source=src/payload/initrd/managed.sh
. "${0%/*}/managed.sh"
# shellcheck source=src/payload/initrd/carry-over.sh
. "${0%/*}/carry-over.sh"

sysroot=${1%/} closure=${2:-}
REPORT=/run/nixfleet/activation.report
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
  [ -z "${ROOTS:-}" ] || makeRoots
  carry=carryOver
  [ -n "$ROOT_DEVICE" ] || carry=carryOwn
  "$carry" "$sysroot$closure/entries.list" "$sysroot$closure/parents.conf"
  [ -z "$MACHINE_ID" ] || makeMachineId "$sysroot$MACHINE_ID" || complain "cannot create $MACHINE_ID"
  makeShipped "$sysroot$closure/shipped.list"
  placeEntries
  showManaged "$sysroot$closure/managed.fstab"
  nameMountsAsOnHost
  [ -z "${ID_MAPS:-}" ] || keepIds "$sysroot$ID_MAPS" "$sysroot/etc"
  [ -z "$KEYS" ] || giveKeys
  compareOwners "$sysroot$closure/owners.list"
  noteBoot
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
  [ -n "$closure" ] || fail "the kernel command line does not name a closure (nixfleet.closure=/nix/store/…)"
}

mountUsr() {
  [ -d "$sysroot/usr" ] || mkdir "$sysroot/usr"
  # The store is mounted nosuid; of all the generations in it, the one that runs may raise privileges.
  mount --bind -o ro,suid,nodev -- "$sysroot$closure/usr" "$sysroot/usr" || fail "cannot mount /usr"
}

makeRoots() {
  while IFS= read -r root; do
    mkdir -p -- "$sysroot$root" || complain "cannot create the persist root $root"
  done <<EOF
$ROOTS
EOF
}

# Made once, whole or not at all: 32 digits, from the kernel's random numbers (machine-id(5)).
makeMachineId() {
  id=''
  [ ! -f "$1" ] || read -r id <"$1" || :
  case $id in
    *[!0-9a-f]* | 00000000000000000000000000000000) ;;
    ????????????????????????????????) return 0 ;;
  esac
  [ -z "$id" ] || complain "$MACHINE_ID does not hold a machine id, so it gets a new one: $id"
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
  failures=''
  message=$(systemd-tmpfiles --root="$sysroot/" --create "$sysroot$closure/tmpfiles.conf" 2>&1) || failures=$message
  safeFstab "$sysroot$closure/fstab"
  [ -z "$failures" ] || complainOfEach "$failures"
  message=$(mount --all --fstab "$fstab" --target-prefix "$sysroot" 2>&1) ||
    complainOfEach "$message"
}

# Options for programs, as x-gvfs-hide, mount keeps by target; on the host that is without the sysroot.
nameMountsAsOnHost() {
  [ ! -s /run/mount/utab ] || sed -i "s| TARGET=$sysroot/| TARGET=/|; s| BINDSRC=$sysroot/| BINDSRC=/|" /run/mount/utab
}

# At the first boot that finds the home, as root put it there: later its user may call .keys what root has left in a folder
# of theirs. That is remembered before, so that it never happens twice.
giveKeys() {
  while read -r user path; do
    keys=$sysroot$path given=$sysroot$STATE/keys-given/$user
    if [ ! -d "${keys%/*}" ] || exists "$given"; then continue; fi
    if ! findOwner "$user"; then
      complain "$path keeps its owner: there is no user $user"
    elif ! rememberKeys; then
      complain "$path keeps its owner, because $STATE/keys-given/$user cannot be created; run: chown -R $user $path"
    elif isFolder "$keys"; then chownKeys; fi
  done <<EOF
$KEYS
EOF
}

rememberKeys() {
  { [ -d "$sysroot$STATE" ] || mkdir -m 0700 -- "$sysroot$STATE"; } && mkdir -p -- "$given" && sync -f -- "$given"
}

# No link is followed, not even one that takes a folder's place meanwhile; no other filesystem is entered; and a file
# with a further name elsewhere stays as it is: the user may have given it that name without having owned it. Of such
# only the first are said: else a user could make the boot wait for a million lines.
chownKeys() {
  message=$(find "$keys" -xdev ! \( -uid "${owner%:*}" -gid "${owner#*:}" \) \
    \( \( -type d -o -links 1 \) -execdir chown -h "$owner" {} + -o -printf 'not changed, because it has several hard links: %p\0' \) 2>&1 |
    sed -z '20s/.*/and more/;21,$d' | visible 's/\\/\\\\/g') || :
  [ -z "$message" ] || record "$message"
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
    chroot "$sysroot" find -files0-from - -maxdepth 0 ! -type l -printf '%04m\t%u\t%g\t%U\t%G\t%p\n' \
      >"$runtime/owners" 2>/dev/null || :
  while IFS=$tab read -r mode user group path; do
    [ -n "${actual:-}" ] || IFS=$tab read -r is isUser isGroup uid gid actual <&3 || break
    # What is not there has no line of its own.
    [ "$actual" = "$path" ] || continue
    actual=''
    [ "$mode" != - ] || mode=$is
    [ "$user" != - ] || user=$isUser
    [ "$group" != - ] || group=$isGroup
    case $mode,$user,$group in "$is,$isUser,$isGroup" | "$is,$uid,$gid") continue ;; esac
    show "$path is $isUser:$isGroup $is, but declared as $user:$group $mode; nothing was changed"
    differences="$differences$shown
"
  done <"$1" 3<"$runtime/owners"
  [ -z "$differences" ] || sayShown "${differences%?}"
}

# On the root, for when it is an old one: the boot's id, and the closure. A full disk does not take it.
noteBoot() {
  read -r boot </proc/sys/kernel/random/boot_id || boot=-
  { printf '%s\n%s\n' "$boot" "$closure" >"$sysroot/etc/nixfleet/boot"; } 2>/dev/null || :
}

complain() {
  show "$1"
  record "$shown"
}

# complainOfEach LINES: what a program has said.
complainOfEach() {
  while IFS= read -r line; do
    # Of a link of root's systemd-tmpfiles says that it is in the way: what it leads to is placed.
    case $line in
      *' exists and is not a regular file.') ! isOwnLink "${line% exists and*}" || continue ;;
      '"'*'" already exists and is not a directory.')
        path=${line%'" already'*}
        ! isOwnLink "${path#?}" || continue
        ;;
    esac
    complain "$line"
  done <<EOF
$1
EOF
}

isOwnLink() { [ -L "$1" ] && [ "$(stat -c %u -- "$1")" = 0 ]; }

# record LINES: problems that have been shown already.
record() {
  sayShown "$1"
  problems="$problems$1
"
}

fail() {
  complain "THE ROOT IS NOT ACTIVATED: $1"
  exit 1
}

writeReport() {
  reportValue outcome "$outcome"
  reportValue closure "$closure"
  reportList problems "$problems"
  reportList differences "$differences"
  reportList carried "$carried"
  echo end
}

main
