#!/bin/sh
# Usage: members.sh CONF
#
# A btrfs on several disks is mounted when udev has seen all of them, and an array of mdadm runs. Where one is missing this
# says which, and lets the filesystem be mounted, or the array run, without it only if somebody has told so: in the layout, or
# with nixfleet.degraded=LABEL on the kernel command line; the label of an array is its name. CONF has:
#   FILESYSTEMS          a line each: its label, and `yes` if its layout says that it may be mounted so
#   ARRAYS               the names of the arrays, a line each
#   MEMBERS              a line for each device: the label, btrfs's or mdadm's number of it, and what people call it, with tabs
#                        between
#   KERNEL_COMMAND_LINE  where to read nixfleet.degraded=
#   LINKS                udev's folder of links by label
#   RUNTIME              where to write degraded/LABEL, which members.rules heeds
#   WAIT                 for how many seconds devices may come one after the other
set -eu
export LC_ALL=C
# shellcheck source=src/payload/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=/dev/null
. "$1"
TAB=$(printf '\t')

main() {
  left="$(printf '%s\n' "$FILESYSTEMS" | sed 's/ .*//') $(printf '%s\n' "$ARRAYS" | sed 's/./array:&/')" waited=0 seconds=0 refused=''
  mkdir -p -- "$RUNTIME"
  while
    findIncomplete
    [ -n "$left" ] && [ "$seconds" -lt 600 ] # systemd gives up before what is not there at all
  do
    if [ "$waited" -lt "$WAIT" ]; then
      sleep 1
      countSecond
    else
      for label in $incomplete; do settle "$label"; done
      left=$unseen waited=0
    fi
  done
  [ -z "$refused" ]
}

# Of those left sets `incomplete` and `unseen`, some of whose devices are there, or none; the others are whole.
findIncomplete() {
  incomplete='' unseen=''
  for label in $left; do
    if ! isSeen "$label"; then
      unseen="$unseen $label"
    else
      isReady "$label" || incomplete="$incomplete $label"
    fi
  done
  left=$incomplete$unseen
}

isSeen() {
  case $1 in
    array:*)
      findArray "${1#array:}"
      [ -n "$node" ]
      ;;
    *) [ -e "$LINKS/$1" ] ;;
  esac
}

isReady() {
  case $1 in
    array:*) case $(cat "$BLOCK/$node/md/array_state" 2>/dev/null) in clear | inactive | '') return 1 ;; esac ;;
    *) btrfs device ready "$LINKS/$1" >/dev/null 2>&1 ;;
  esac
}

# Sets `node` to what the kernel calls an array of which a part was seen: md127. mdadm's map has lines of four words.
findArray() {
  node=''
  while read -r device _ _ path; do
    if [ "$path" = "/dev/md/$1" ]; then node=$device; fi
  done <"$RUNNING" 2>/dev/null || :
}
BLOCK=${BLOCK:-/sys/block} RUNNING=${MD_MAP:-/run/mdadm/map}

# Since a first device was seen. Nobody can see what is behind a passphrase that is still asked for.
countSecond() {
  set -- "${ASKING:-/run/systemd/ask-password}"/ask.*
  [ ! -e "$1" ] || return 0
  seconds=$((seconds + 1))
  if [ -n "$incomplete" ]; then waited=$((waited + 1)); else waited=0; fi
}

settle() {
  present='' what="filesystem $1" name=${1#array:}
  case $1 in
    array:*)
      what="array $name"
      findArray "$name"
      present=$(cat "$BLOCK/$node/md"/dev-*/slot 2>/dev/null | sed 's/$/ -/') || present=''
      ;;
    *)
      listing=$(btrfs filesystem show -- "$LINKS/$1" 2>/dev/null) || listing=''
      present=$(printf '%s\n' "$listing" | sed -n 's|^.*devid *\([0-9]*\) .* path \(/.*\)$|\1 \2|p')
      ;;
  esac
  missing=$(printf '%s\n' "$MEMBERS" | while IFS=$TAB read -r label number device; do
    [ "$label" = "$1" ] || continue
    printf '%s\n' "$present" | grep -q "^$number " || printf '%s\n' "$device"
  done | sed '2,$s/^/, /' | tr -d '\n')
  [ -n "$missing" ] || missing='a device that was added later'
  show "$missing"
  if isTold "$name"; then
    say "THE $(printf '%s' "${what%% *}" | tr '[:lower:]' '[:upper:]') $name IS USED WITHOUT $shown, as it was told to be"
    runWithout "$1"
  else
    cause="the $what is not whole: missing is $shown. Plug it in and start again; or, to boot without it, add nixfleet.degraded=$name to the kernel command line in the boot menu"
    say "$cause"
    printf '%s\n' "$cause" >"$RUNTIME/cause"
    refused=yes
  fi
}

runWithout() {
  case $1 in
    array:*) mdadm --run "/dev/$node" >/dev/null 2>&1 || say "the array $name does not run without it" ;;
    *)
      mkdir -p -- "$RUNTIME/degraded"
      printf '%s\n' "$missing" >"$RUNTIME/degraded/$1"
      # udev looks at them again, and finds the file.
      printf '%s\n' "$present" | while read -r _ device; do
        udevadm trigger --action=change -- "$device" 2>/dev/null || :
      done
      ;;
  esac
}

isTold() {
  words='' told=''
  read -r words <"$KERNEL_COMMAND_LINE" || :
  set -f
  for word in $words; do
    case $word in nixfleet.degraded=*) told="$told,${word#*=}," ;; esac
  done
  set +f
  case $told in *",$1,"*) return 0 ;; esac
  printf '%s\n' "$FILESYSTEMS" | grep -Fxq -- "$1 yes"
}

main
