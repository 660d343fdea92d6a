# Sourced. What the closure manages inside persisted folders is shown there as it was built: src/plan/managed.ts says what
# that is. No processes where there is nothing. The caller has sysroot, closure, runtime, complain, safeFstab.
# shellcheck shell=sh disable=SC2154

# showManaged FSTAB: its sources are in the closure's root, mounted for that time at $runtime/pristine.
showManaged() {
  [ -s "$1" ] || return 0
  pristine=$runtime/pristine
  if mkdir -p -- "$pristine" && mount --bind -- "$sysroot$closure/root" "$pristine"; then
    safeFstab "$1"
    message=$(mount --all --fstab "$fstab" --target-prefix "$sysroot" 2>&1) || complain "$message"
    umount -- "$pristine" || complain "$pristine stays mounted"
  else complain "cannot mount $sysroot$closure/root: declared files inside persisted folders are missing"; fi
}
