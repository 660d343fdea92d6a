#!/bin/sh
# Usage: wipe.sh CONF
#
# Gives the host a fresh root: the subvolume @root becomes old_roots/<time>, a new one takes its place. CONF is a file
# of NAME='value' lines:
#   LABEL or DEVICE     the btrfs filesystem
#   RETENTION_DAYS      an old root is due when it was retired longer ago
#   KEEP_NEWEST         so many old roots are kept however old
#   PRUNE               `yes`: old roots that are due are deleted too. In a boot prune.sh does that later, on the running host
#   ON_FAILURE          `boot` or `halt`: what the unit does when this fails; here it only words the message
#   CLOSURE_ROOT        the pristine root, from the top of the filesystem; empty: the fresh root is empty
#   KERNEL_COMMAND_LINE where to read nixfleet.*= and rootflags=, with NIX_SUBVOLUME, which /nix is (boot only)
#   LABEL_LINK          the boot's way to LABEL, put right where two filesystems have it (boot only)
#   MOUNTPOINT          an empty folder, where the filesystem is mounted meanwhile
#   REPORT              where the report goes, JSON; a run whose report exists has been done, so it is not done again
#
# The fresh root is made first, as @root.new, and then two renames put it in place. Whatever fails before them leaves
# @root as it was; a crash between them leaves no @root, and the next run makes one, or failing that puts back the
# newest old one. docs/wipe.md says more.
set -eu
export LC_ALL=C
umask 022
# shellcheck source=src/initrd/report.sh
. "${0%/*}/report.sh"
# shellcheck source=src/initrd/filesystem.sh
. "${0%/*}/filesystem.sh"
# shellcheck source=src/initrd/old-roots.sh
. "${0%/*}/old-roots.sh"

PRUNE='' ON_FAILURE=boot MOUNTPOINT=/run/nixfleet/wipe REPORT=/run/nixfleet/wipe.json
# shellcheck source=/dev/null
. "$1"

mounted='' outcome=failed reason='' steps='' retired='' pruned='' created='' kind='' closure='' skip='' step=''

main() {
  set -C
  if ! printf '{"outcome":"interrupted"}\n' 2>/dev/null >"$REPORT"; then
    exists "$REPORT" || {
      say "the report $REPORT cannot be written"
      exit 1
    }
    say "the wipe has been run already: $REPORT is its report"
    read -r before <"$REPORT" || :
    case ${before:-} in '{"outcome":"failed"'*) exit 1 ;; *) exit 0 ;; esac
  fi
  set +C
  trap finish EXIT
  trap 'exit 1' HUP INT TERM
  case $RETENTION_DAYS,$KEEP_NEWEST in
    *[!0-9,]* | ,* | *,) fail "RETENTION_DAYS and KEEP_NEWEST are numbers: $RETENTION_DAYS, $KEEP_NEWEST" ;;
  esac
  readKernelCommandLine
  perform mountFilesystem
  if [ -n "$skip" ]; then
    putBackRoot
    wasBooted || {
      say "@root is empty, as before a first boot: it is wiped all the same"
      skip=''
    }
  fi
  if [ -z "$skip" ]; then
    ! isMounted @root || fail "@root is mounted: it is in use"
    perform createRoot
    perform retireRoot
    [ -z "$PRUNE" ] || perform pruneOldRoots
  fi
  perform unmountFilesystem
  outcome=wiped reason=''
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
      nixfleet.installer=*) DEVICE=${DEVICE:-$LABEL_LINK} ;; # where others have the label, it leads to its own
    esac
  done
  set +f
  case ${closure#/nix/store/} in
    '' | /* | */* | .*) [ -n "$skip" ] || fail "nixfleet.closure=$closure on the kernel command line names no closure" ;;
    *) CLOSURE_ROOT=$NIX_SUBVOLUME/store/${closure#/nix/store/}/root ;;
  esac
}

createRoot() {
  if exists @root.new; then # left by a crash; nobody has ever used it
    isSubvolume @root.new || fail "@root.new is in the way, and is not the wipe's; move it elsewhere"
    message=$(btrfs subvolume delete @root.new 2>&1) || fail "@root.new cannot be deleted: $message"
  fi
  if [ -n "${CLOSURE_ROOT:-}" ] && [ -d "$CLOSURE_ROOT" ]; then
    message=$(btrfs subvolume snapshot "$CLOSURE_ROOT" @root.new 2>&1) || fail "no root can be made: $message"
    kind=snapshot
  else
    if [ -n "${CLOSURE_ROOT:-}" ]; then
      [ -d "${CLOSURE_ROOT%/*}" ] || fail "there is no closure ${CLOSURE_ROOT%/*}"
      # One that is damaged is there too.
      message=$(stat -- "$CLOSURE_ROOT" 2>&1) || :
      case $message in *': No such file or directory') ;; *) fail "no root can be made: $message" ;; esac
    fi
    message=$(btrfs subvolume create @root.new 2>&1) || fail "no root can be made: $message"
    kind=empty
  fi
}

retireRoot() {
  [ ! -L old_roots ] || fail "old_roots is a link; move it elsewhere"
  exists old_roots || mkdir old_roots || fail "old_roots cannot be made"
  [ -d old_roots ] || fail "old_roots is not a folder; move it elsewhere"
  readRoot
  if exists @root; then
    findNewest
    number=$now kept=''
    [ "$number" -gt "$newest" ] || number=$((newest + 1))
    [ "$inode" = 256 ] || kept=.kept
    while
      toName "$number"
      exists "old_roots/$name$kept"
    do number=$((number + 1)); done
    [ -z "$kept" ] || say "@root is not a subvolume: it is kept as old_roots/$name$kept, which is never pruned"
    move @root "old_roots/$name$kept" || fail "@root cannot be retired: $message"
    retired=$name$kept
  fi
  move @root.new @root || fail "the fresh root cannot be put in place: $message"
  created=$kind
  # Unmounting commits it too, and does not say when it could not.
  message=$(sync -f . 2>&1) || {
    created='' retired=''
    fail "the fresh root cannot be written: $message"
  }
}

# Sets `inode` to that of @root, which is 256 if it is a subvolume, and `now`: with one process, as the report has just
# been written and so has the time.
readRoot() {
  # shellcheck disable=SC2046 # a number, a date, a time and a zone for each
  set -- $(TZ=UTC0 stat -c '%i %y' -- "$REPORT" @root 2>/dev/null)
  [ -n "${3:-}" ] || fail "the time cannot be told"
  inode=${5:-}
  # shellcheck disable=SC2086 # NOW, for tests, is a date and a time
  set -- ${NOW:-"$2" "$3"}
  case $1T$2 in
    [1-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]*) ;;
    *) fail "the time cannot be told" ;;
  esac
  IFS=-:.
  # shellcheck disable=SC2086
  set -- $1 $2
  unset IFS
  now=$1$2$3$4$5${6}000
}

# A subvolume that is set read-only can be renamed, but not into another folder.
move() {
  message=$(mv -T -- "$1" "$2" 2>&1) || {
    makeWritable "$1" && message=$(mv -T -- "$1" "$2" 2>&1)
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
  set -- @root/*
  exists "$1"
}

# There must be a root to boot: where there is none, the one that has just been retired, or the newest.
putBackRoot() {
  ! exists @root || return 0
  previous=${retired:+old_roots/$retired}
  # shellcheck disable=SC2046,SC2086
  [ -n "$previous" ] || [ -L old_roots ] || for path in $(stat -c %i:%n -- $OLD_ROOTS 2>/dev/null); do
    case $path in 256:*) previous=${path#256:} ;; esac
  done
  if [ -n "$previous" ]; then
    say "there is no @root: $previous becomes it"
    move "$previous" @root || say "$previous cannot be put back: $message"
  elif exists @root.new; then
    move @root.new @root || say "@root.new cannot be put in place: $message"
  fi
}

fail() {
  reason=${step:+"$step: "}$1
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
      [ -n "$kind" ] && exists @root && exists @root.new && btrfs subvolume delete @root.new >/dev/null
      cd /
      umount -- "$MOUNTPOINT"
    fi
    [ -n "$reason" ] || reason="it ended before its end${step:+, in $step}"
    if [ -n "$created" ]; then # what comes after it can wait
      outcome=wiped
      say "the root is wiped, but $reason"
    else
      say "THE ROOT IS NOT WIPED: $reason"
      if [ "$ON_FAILURE" = halt ]; then say "this host must not run on an old root"; else say "the previous root is used"; fi
    fi
  fi
  writeReport >"$REPORT"
  # In a trap `exit` alone repeats the status with which the script was ended.
  if [ "$outcome" = failed ]; then exit 1; else exit 0; fi
}

writeReport() {
  printf '{"outcome":"%s","reason":' "$outcome"
  jsonString "$reason"
  printf ',"steps":[%s],"retired":' "$steps"
  jsonString "$retired"
  printf ',"pruned":'
  jsonLines "$pruned"
  printf ',"created":'
  jsonString "$created"
  printf ',"closure":'
  jsonString "$closure"
  printf '}\n'
}

main
