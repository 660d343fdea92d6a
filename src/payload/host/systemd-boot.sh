# shellcheck shell=sh disable=SC2034,SC2154,SC2153 # set for those who source it, and by them
# Generations in the menu of systemd-boot: Boot Loader Specification, entries of type 1. An entry is called
# nixfleet-NUMBER+TRIES.conf until its generation has reached boot-complete.target ("Automatic Boot Assessment").
# Sourced by generation-store.sh.

ENTRIES=loader/entries
RESCUE=nixfleet-rescue

# Sets `entry` to the file name of a generation's entry; empty: it has none.
findEntry() {
  entry=$(espList "$ENTRIES" | while IFS= read -r name; do
    case $name in "nixfleet-$1.conf" | "nixfleet-$1+"*.conf) printf '%s' "$name" && break ;; esac
  done)
}

# Sets `state`: good, passed over, tries left, or without an entry.
systemdBootState() {
  findEntry "$1"
  case $entry in
    '') state='no boot entry' ;;
    *+0*) state='passed over' ;;
    *+*)
      state=${entry##*+}
      state=${state%.conf}
      state="not proved, ${state%%-*} tries left"
      ;;
    *) state=good ;;
  esac
}

# Writes what a generation boots from, its entry last; nothing, where one ESP has no room for it. @param NUMBER; `closure`,
# `date` and `changes` are its own.
systemdBootAdd() {
  systemdBootRoom "$closure"
  onEachEsp putGeneration "$1"
}

# Refuses a closure, by its store path, that one ESP has no room for. What no generation boots from goes first.
systemdBootRoom() {
  readPackages "$1"
  store=$NIX/store kernel=nixfleet/$packages host=nixfleet/${1##*/}
  onEachEsp makeRoomOnEsp "${1##*/}"
}

makeRoomOnEsp() {
  removeStaleBootFiles
  refuseFullEsp "$store/$packages/vmlinuz" "$kernel/linux" "$store/$packages/initrd" "$kernel/initrd" \
    "$store/$1/host.cpio" "$host/host.cpio"
}

putGeneration() {
  putFiles
  putLoader
  findEntry "$1"
  case $entry in '' | *+0*)
    putText "$ENTRIES/nixfleet-$1+$TRIES.conf" "$(entryText "$1" nixfleet '')"
    [ -z "$entry" ] || espRemove "$ENTRIES/$entry" # it was passed over
    ;;
  esac
  # Born passed over, so that it is never chosen before another.
  espRemove "$ENTRIES/$RESCUE.conf" # its name after it was booted with success
  putText "$ENTRIES/$RESCUE+0.conf" "$(entryText "$1" "$RESCUE" nixfleet.wipe=skip)"
  systemdBootDefault ''
}

putFiles() {
  putOnce "$store/$packages/vmlinuz" "$kernel/linux"
  putOnce "$store/$packages/initrd" "$kernel/initrd"
  putOnce "$store/${closure##*/}/host.cpio" "$host/host.cpio"
}

# What one ESP lacks of what another has: its disk was away.
systemdBootAlike() {
  for each in $numbers; do
    known=''
    onEachEsp knowEntry "$each"
    [ -z "$known" ] || onEachEsp putKnown "$each"
  done
}

knowEntry() {
  findEntry "$1"
  known=${entry:-$known}
}

putKnown() {
  findEntry "$1"
  [ -z "$entry" ] || return 0
  readGeneration "$1"
  readPackages "$closure"
  store=$NIX/store kernel=nixfleet/$packages host=nixfleet/${closure##*/}
  putFiles
  putLoader
  putText "$ENTRIES/$known" "$(entryText "$1" nixfleet '')"
}

# The entries of all generations anew, where this host's disks are others now than they say.
systemdBootRenew() {
  for each in $numbers; do
    findEntry "$each"
    [ -n "$entry" ] || continue
    readGeneration "$each"
    readPackages "$closure"
    kernel=nixfleet/$packages host=nixfleet/${closure##*/}
    putText "$ENTRIES/$entry" "$(entryText "$each" nixfleet '')"
  done
}

# systemdBootDefault NUMBER: the one that is booted; empty: the newest that is not passed over.
systemdBootDefault() {
  putText loader/loader.conf "timeout $TIMEOUT${1:+
default nixfleet-$1[+.]*}"
}

# Sets `default` to the generation that a rollback has chosen; empty: none.
readSystemdBootDefault() {
  default=$(espRead loader/loader.conf 2>/dev/null | sed -n 's/^default nixfleet-\([0-9]*\)\[.*/\1/p')
}

entryText() {
  title="$HOST_NAME, generation $1 of $date: $changes"
  [ "$2" != "$RESCUE" ] || title="$HOST_NAME, generation $1, without a wipe: the root of the last boot again"
  cat <<END
title $title
sort-key $2
version $1
linux /$kernel/linux
initrd /$kernel/initrd
initrd /$host/host.cpio
options $(cat -- "$NIX/store/${closure##*/}/cmdline") nixfleet.closure=$closure${KERNEL_PARAMETERS:+ $KERNEL_PARAMETERS}${3:+ $3}
END
}

# The loader of the newest generation, where firmware looks without having been told.
putLoader() {
  for loader in "$NIX/store/$packages"/usr/lib/systemd/boot/efi/systemd-boot*.efi; do
    [ -e "$loader" ] || fail "$closure has no systemd-boot: add the package systemd-boot-efi"
    name=${loader##*/systemd-boot}
    for path in "EFI/BOOT/BOOT$name" "EFI/systemd/systemd-boot$name"; do
      if espHas "$path" && espRead "$path" | cmp -s -- - "$loader"; then continue; fi
      espPut "$loader" "$path" || fail "cannot write $path to the EFI system partition"
    done
  done
}

# A file that is called by what it holds is there whole, or not at all.
putOnce() {
  espHas "$2" || espPut "$1" "$2" || fail "cannot write $2 to the EFI system partition"
}

putText() {
  file=$(mktemp)
  printf '%s\n' "$2" >"$file"
  if espHas "$1" && espRead "$1" | cmp -s -- - "$file"; then
    rm -- "$file"
    return 0
  fi
  espPut "$file" "$1" || {
    rm -- "$file"
    fail "cannot write $1 to the EFI system partition"
  }
  rm -- "$file"
}

# refuseFullEsp SOURCE PATH …: before anything is written.
refuseFullEsp() {
  need=0
  while [ "$#" -gt 0 ]; do
    espHas "$2" || need=$((need + $(stat -L -c %s -- "$1")))
    shift 2
  done
  espFree
  # Entries, folders and what a cluster wastes.
  [ "$free" -ge "$((need + 1048576))" ] ||
    fail "the EFI system partition${ESP:+ on $ESP} is full: $((free / 1048576)) MiB are free, $((need / 1048576 + 1)) are needed; no entry was changed. Run nixfleet gc --keep 2, lower boot.loader.configurationLimit, or enlarge the partition"
}

# Entries of generations that are no more, then the files that no entry names.
removeStaleBootFiles() {
  espList "$ENTRIES" | while IFS= read -r name; do
    number=${name#nixfleet-}
    number=${number%%[+.]*}
    case $name in
      "nixfleet-$number".conf | "nixfleet-$number"+*.conf) ;;
      *) continue ;; # not ours
    esac
    case $number in '' | *[!0-9]*) continue ;; esac
    [ -e "$STATE/generations/$number" ] || espRemove "$ENTRIES/$name"
  done
  named=$(espList "$ENTRIES" | while IFS= read -r name; do espRead "$ENTRIES/$name" || exit 1; done) ||
    fail "cannot read a boot entry on the EFI system partition"
  [ -n "$named" ] || return 0
  espList nixfleet | while IFS= read -r name; do
    case $name in [0-9a-z]*-*) ;; *) continue ;; esac
    case $named in *"/nixfleet/$name/"*) ;; *) espRemove "nixfleet/$name" ;; esac
  done
}
