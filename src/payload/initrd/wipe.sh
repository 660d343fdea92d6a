#!/bin/sh
# Usage: wipe.sh CONF
#
# Gives the host a fresh root: the subvolume @root becomes old_roots/<time>, a new one takes its place. CONF is a file
# of NAME='value' lines:
#   LABEL or DEVICE     the btrfs filesystem
#   ROOT_SUBVOLUME      what of it is the root; here it is called @root
#   RETENTION_DAYS      an old root is due when it was retired longer ago
#   KEEP_NEWEST         so many old roots are kept however old
#   PRUNE               `yes`: old roots that are due are deleted too. In a boot prune.sh does that later, on the running host
#   ON_FAILURE          `boot` or `halt`: what the unit does when this fails; here it only words the message
#   CLOSURE_ROOT        the pristine root, from the top of the filesystem; empty: the fresh root is empty
#   KERNEL_COMMAND_LINE where to read nixfleet.*= and rootflags= (boot only)
#   NIX_SUBVOLUME       what /nix is of the filesystem: where the closure on the kernel command line is (boot only); empty: no
#                       closure is named there, as on NixOS
#   LABEL_LINK          udev's link to LABEL, which on a disk that installs its host leads to its own (boot only)
#   MOUNT_OPTIONS       further ones, such as `degraded`
#   MOUNTPOINT          an empty folder, where the filesystem is mounted meanwhile
#   REPORT              where the report goes; a run whose report exists has been done, so it is not done again
#
# The fresh root is made first, as @root.new, and then two renames put it in place. Whatever fails before them leaves
# @root as it was; a crash between them leaves no @root, and the next run makes one, or failing that puts back the
# newest old one. On a full filesystem room.sh makes room. take-back.sh comes before. docs/wipe.md says more.
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/payload/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/payload/initrd/filesystem.sh
. "${0%/*}/filesystem.sh"
# shellcheck source=src/payload/initrd/old-roots.sh
. "${0%/*}/old-roots.sh"
# shellcheck source=src/payload/initrd/room.sh
. "${0%/*}/room.sh"
# shellcheck source=src/payload/initrd/take-back.sh
. "${0%/*}/take-back.sh"

PRUNE='' ON_FAILURE=boot ROOT_SUBVOLUME=@root MOUNTPOINT=/run/nixfleet/wipe REPORT=/run/nixfleet/wipe.report
# shellcheck source=/dev/null
. "$1"

mounted='' outcome=failed reason='' steps='' retired='' pruned='' created='' kind='' closure='' skip='' step=''

main() {
  set -C
  if ! printf 'outcome=interrupted\nend\n' 2>/dev/null >"$REPORT"; then
    exists "$REPORT" || {
      say "cannot write the report $REPORT"
      exit 1
    }
    say "the wipe has already run: see $REPORT"
    read -r before <"$REPORT" || :
    if [ "${before:-}" = outcome=failed ]; then exit 1; else exit 0; fi
  fi
  set +C
  trap finish EXIT
  trap 'exit 1' HUP INT TERM
  case $RETENTION_DAYS,$KEEP_NEWEST in
    *[!0-9,]* | ,* | *,) fail "RETENTION_DAYS and KEEP_NEWEST must be numbers: $RETENTION_DAYS, $KEEP_NEWEST" ;;
  esac
  readKernelCommandLine
  perform mountFilesystem
  if [ -n "$skip" ]; then
    putBackRoot
    wasBooted || {
      say "$ROOT_SUBVOLUME is empty, as before a first boot: it is wiped all the same"
      skip=''
    }
  fi
  if [ -z "$skip" ]; then
    ! isMounted "$ROOT_SUBVOLUME" || fail "$ROOT_SUBVOLUME is mounted: it is in use"
    # Before the root is retired, which says of which boot it is.
    if exists "$BACK/info"; then
      takeBack "$closure" "$ROOT_SUBVOLUME"
      writeBackReport >"${REPORT%/*}/back.report" || :
    fi
    perform createRoot
    perform retireRoot
    [ -z "$PRUNE" ] || perform pruneOldRoots
  fi
  perform unmountFilesystem
  outcome=wiped reason=''
  [ -z "$full" ] || reason="the filesystem is full${room:+: deleted $room to make space}"
  [ -z "$skip" ] || outcome=skipped reason="$skip is on the kernel command line"
}

readKernelCommandLine() {
  [ -n "${KERNEL_COMMAND_LINE:-}" ] || return 0
  read -r words <"$KERNEL_COMMAND_LINE" || :
  set -f
  for word in $words; do
    case $word in
      # Whoever boots an old root by its name wants nothing retired meanwhile.
      rootflags=*subvol=*old_roots/* | rootflags=*subvolid=*) skip=$word ;;
      nixfleet.wipe=skip) skip=${skip:-$word} ;;
      nixfleet.closure=*) closure=${word#*=} ;;
      nixfleet.installer=*) DEVICE=${DEVICE:-$LABEL_LINK} ;;
    esac
  done
  set +f
  [ -n "${NIX_SUBVOLUME:-}" ] || return 0
  case ${closure#/nix/store/} in
    '' | /* | */* | .*) [ -n "$skip" ] || fail "nixfleet.closure=$closure on the kernel command line does not name a closure" ;;
    *) CLOSURE_ROOT=$NIX_SUBVOLUME/store/${closure#/nix/store/}/root ;;
  esac
}

createRoot() {
  if exists "$ROOT_SUBVOLUME.new"; then # left by a crash; nobody has ever used it
    isSubvolume "$ROOT_SUBVOLUME.new" || fail "$ROOT_SUBVOLUME.new is in the way, and is not the wipe's; move it elsewhere"
    withRoom btrfs subvolume delete "$ROOT_SUBVOLUME.new" || fail "cannot delete $ROOT_SUBVOLUME.new: $message"
  fi
  if [ -n "${CLOSURE_ROOT:-}" ] && [ -d "$CLOSURE_ROOT" ]; then
    withRoom btrfs subvolume snapshot "$CLOSURE_ROOT" "$ROOT_SUBVOLUME.new" || fail "cannot create a root: $message"
    kind=snapshot
  else
    if [ -n "${CLOSURE_ROOT:-}" ]; then
      [ -d "${CLOSURE_ROOT%/*}" ] || fail "there is no closure ${CLOSURE_ROOT%/*}"
      # One that is damaged is there too.
      message=$(stat -- "$CLOSURE_ROOT" 2>&1) || :
      case $message in *': No such file or directory') ;; *) fail "cannot create a root: $message" ;; esac
    fi
    withRoom btrfs subvolume create "$ROOT_SUBVOLUME.new" || fail "cannot create a root: $message"
    kind=empty
  fi
}

retireRoot() {
  [ ! -L old_roots ] || fail "old_roots is a link; move it elsewhere"
  exists old_roots || withRoom mkdir old_roots || fail "cannot create old_roots: $message"
  [ -d old_roots ] || fail "old_roots is not a folder; move it elsewhere"
  readRoot
  if exists "$ROOT_SUBVOLUME"; then
    findNewest
    number=$now kept=''
    [ "$number" -gt "$newest" ] || number=$((newest + 1))
    [ "$inode" = 256 ] || kept=.kept
    while
      toName "$number"
      exists "old_roots/$name$kept"
    do number=$((number + 1)); done
    [ -z "$kept" ] || say "$ROOT_SUBVOLUME is not a subvolume: it is kept as old_roots/$name$kept, which is never pruned"
    move "$ROOT_SUBVOLUME" "old_roots/$name$kept" || fail "cannot retire $ROOT_SUBVOLUME: $message"
    retired=$name$kept
  fi
  move "$ROOT_SUBVOLUME.new" "$ROOT_SUBVOLUME" || fail "cannot put the fresh root in place: $message"
  created=$kind
  # Unmounting commits it too, and does not say when it could not.
  message=$(sync -f . 2>&1) || {
    created='' retired=''
    fail "cannot write the fresh root: $message"
  }
}

# Sets `inode` to that of @root, which is 256 if it is a subvolume, and `now`: with one process, as the report has just
# been written and so has the time.
readRoot() {
  # shellcheck disable=SC2046 # a number, a date, a time and a zone for each
  set -- $(TZ=UTC0 stat -c '%i %y' -- "$REPORT" "$ROOT_SUBVOLUME" 2>/dev/null)
  [ -n "${3:-}" ] || fail "cannot read the clock"
  inode=${5:-}
  # shellcheck disable=SC2086 # NOW, for tests, is a date and a time
  set -- ${NOW:-"$2" "$3"}
  case $1T$2 in
    [1-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]*) ;;
    *) fail "cannot read the clock" ;;
  esac
  IFS=-:.
  # shellcheck disable=SC2086
  set -- $1 $2
  unset IFS
  now=$1$2$3$4$5${6}000
}

# A subvolume that is set read-only can be renamed, but not into another folder.
move() {
  withRoom mv -T -- "$1" "$2" || {
    makeWritable "$1" && withRoom mv -T -- "$1" "$2"
  }
}

# Not one of its failures fails the wipe.
pruneOldRoots() {
  readClock
  deleteDueRoots
}

# An empty @root cannot be booted: where there is a closure, it is better to have a fresh one.
wasBooted() {
  [ "$skip" = nixfleet.wipe=skip ] && [ -n "${CLOSURE_ROOT:-}" ] || return 0
  set -- "$ROOT_SUBVOLUME"/*
  exists "$1"
}

# There must be a root to boot: where there is none, the one that has just been retired, or the newest.
putBackRoot() {
  ! exists "$ROOT_SUBVOLUME" || return 0
  previous=${retired:+old_roots/$retired}
  # shellcheck disable=SC2046,SC2086
  [ -n "$previous" ] || [ -L old_roots ] || for path in $(stat -c %i:%n -- $OLD_ROOTS 2>/dev/null); do
    case $path in 256:*) previous=${path#256:} ;; esac
  done
  if [ -n "$previous" ]; then
    say "there is no $ROOT_SUBVOLUME: $previous becomes $ROOT_SUBVOLUME"
    move "$previous" "$ROOT_SUBVOLUME" || say "cannot put back $previous: $message"
  elif exists "$ROOT_SUBVOLUME.new"; then
    move "$ROOT_SUBVOLUME.new" "$ROOT_SUBVOLUME" || say "$ROOT_SUBVOLUME.new cannot be put in place: $message"
  fi
}

fail() {
  show "$1"
  reason=${step:+"$step: "}$shown
  exit 1
}

# At every end, whatever caused it.
finish() {
  trap '' HUP INT TERM
  trap - EXIT
  set +e
  if [ "$outcome" = failed ]; then
    if [ -n "$mounted" ]; then
      cd "$MOUNTPOINT" && putBackRoot
      exists "old_roots/$retired" || retired=''
      [ -n "$kind" ] && exists "$ROOT_SUBVOLUME" && exists "$ROOT_SUBVOLUME.new" && btrfs subvolume delete "$ROOT_SUBVOLUME.new" >/dev/null
      cd /
      umount -- "$MOUNTPOINT"
    fi
    [ -n "$reason" ] || reason="it stopped before finishing${step:+, in $step}"
    if [ -n "$created" ]; then # what comes after it can wait
      outcome=wiped
      sayShown "the root is wiped, but $reason"
    else
      sayShown "THE ROOT IS NOT WIPED: $reason"
      if [ "$ON_FAILURE" = halt ]; then say "this host must not run on an old root"; else say "the previous root stays in place"; fi
    fi
  fi
  writeReport >"$REPORT"
  [ -z "$full" ] || : >"${REPORT%/*}/full" # nixfleet-room.service then makes more, before anybody can take it
  # In a trap `exit` alone repeats the status with which the script was ended.
  if [ "$outcome" = failed ]; then exit 1; else exit 0; fi
}

writeReport() {
  reportValue outcome "$outcome"
  reportValue reason "$reason"
  reportList steps "$steps"
  reportValue retired "$retired"
  reportList pruned "$pruned"
  reportValue created "$created"
  reportValue closure "$closure"
  echo end
}

main
