# shellcheck shell=sh disable=SC2154 # set for those who source it
# Which filesystems are this host's: a boot entry names them by UUID, since a stick or a former disk may be labelled alike.
# Sourced by generation-store.sh. Of its parameters:
#   LABELS  what the host finds its filesystems by, a line each
#   DISKS   the disks that they are on, a line each; empty: the one that NIX is on, and then what is mounted here

# Adds nixfleet.disks=LABEL/UUID,… to KERNEL_PARAMETERS. A label that is not there, or twice, is left out: then the host
# finds it as before, by the label alone.
nameDisks() {
  named='' own='' others='' nodes=''
  [ -n "${DISKS:-}" ] || {
    DISKS=$(disksOf "$NIX")
    others=$(findmnt -nro LABEL,UUID --real 2>/dev/null | sort -u | sed -n 's/^\([^ ][^ ]*\) \([^ ][^ ]*\)$/\1\/\2/p') || others=''
  }
  # shellcheck disable=SC2086 # devices have no blanks
  [ -z "$DISKS" ] || nodes=$(lsblk -nrpo NAME -- $DISKS 2>/dev/null) || nodes=''
  # shellcheck disable=SC2086
  [ -z "$nodes" ] || own=$(labelled $nodes)
  for label in ${LABELS:-}; do
    for list in "$own" "$others"; do
      found=$(printf '%s\n' "$list" | sed -n "s|^$label/||p")
      case $found in '') continue ;; *[!0-9A-Fa-f-]*) break ;; esac # the second: there are several
      named="$named${named:+,}$label/$found"
      break
    done
  done
  [ -z "$named" ] || KERNEL_PARAMETERS="${KERNEL_PARAMETERS:+$KERNEL_PARAMETERS }nixfleet.disks=$named"
}

# disksOf FOLDER: the disks that its filesystem is on; of a btrfs, all of them.
disksOf() {
  source=$(findmnt -nvo SOURCE --target "$1" 2>/dev/null) || return 0
  case $source in /dev/*) ;; *) return 0 ;; esac
  uuid=$(findmnt -nvo UUID --target "$1" 2>/dev/null) || uuid=''
  for device in "/sys/fs/btrfs/$uuid/devices"/*; do
    [ -z "$uuid" ] || [ ! -e "/dev/${device##*/}" ] || source="$source /dev/${device##*/}"
  done
  # shellcheck disable=SC2086 # devices have no blanks
  lsblk -nrpso NAME,TYPE -- $source 2>/dev/null | sed -n 's/ \(disk\|loop\)$//p' | sort -u
}

# labelled DEVICE…: prints LABEL/UUID of each that has a label, once: several devices of one filesystem are one.
labelled() {
  {
    blkid -c /dev/null -o export -- "$@" || :
    echo DEVNAME=
  } | {
    label='' uuid=''
    while IFS='=' read -r key value; do
      case $key in
        LABEL) label=$value ;;
        UUID) uuid=$value ;;
        DEVNAME)
          [ -z "$label" ] || [ -z "$uuid" ] || printf '%s/%s\n' "$label" "$uuid"
          label='' uuid=''
          ;;
      esac
    done
  } | sort -u
}
