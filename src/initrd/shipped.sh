# Sourced. What the packages ship at and below entries is made on the persist roots where it is missing, by a number of
# processes that does not grow with it, and none where nothing is missing. shippedList in src/closure/shipped.ts says what
# the list holds. The caller has sysroot, runtime, tab, complain.
# shellcheck shell=sh disable=SC2154

# $1 is the list. After a power cut half a file must not count as there: what is about to be made is written down
# first, as lines that take it away again, and nothing begins before that is on the disk, or ends before what was made is.
makeShipped() {
  [ -s "$1" ] || return 0
  marker='' withFolder=''
  while IFS=$tab read -r kind path make unmake; do
    case $kind in
      marker)
        marker=$sysroot$path
        [ ! -e "$marker" ] || takeBackShipped
        continue
        ;;
      within) [ -n "$withFolder" ] || continue ;;
      *)
        withFolder=''
        if [ -e "$sysroot$path" ] || [ -L "$sysroot$path" ]; then continue; fi
        withFolder=$kind
        ;;
    esac
    printf '%s\n' "$make" >&3
    printf '%s\n' "$unmake" >&4
  done <"$1" 3>"$runtime/shipped.conf" 4>"$runtime/unshipped.conf"
  [ -s "$runtime/shipped.conf" ] || return 0
  if cp -- "$runtime/unshipped.conf" "$marker.new" && sync -- "$marker.new" && mv -T -- "$marker.new" "$marker" &&
    sync -f -- "$marker"; then
    if message=$(systemd-tmpfiles --root="$sysroot/" --create "$runtime/shipped.conf" 2>&1) && message=$(sync 2>&1); then
      forgetShipped
    else
      complain "what packages ship cannot be made on the persist root: $message"
      takeBackShipped
    fi
  else complain "what packages ship is not made on the persist root: $marker cannot be written"; fi
}

# Nobody has used any of it: the boot that made it did not get further.
takeBackShipped() {
  message=$(systemd-tmpfiles --root="$sysroot/" --remove "$marker" 2>&1) || complain "$message"
  forgetShipped
}

# On the disk before anything is written by those who use what was made, for the next boot would take it back.
forgetShipped() {
  { rm -f -- "$marker" && sync -f -- "${marker%/*}"; } || complain "$marker cannot be removed: remove it"
}
