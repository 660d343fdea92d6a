# Sourced. What the packages ship at and below entries is made on the persist roots where it is missing, by a number of
# processes that does not grow with it, and none where nothing is missing. shippedList in src/closure/tree/shipped.ts says what
# the list holds. The caller has sysroot, runtime, tab, complain, exists.
# shellcheck shell=sh disable=SC2154

MARKER_END='# end'

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
      mounted)
        withFolder=''
        case $(ls -A -- "$sysroot$path") in '' | lost+found) ;; *) continue ;; esac
        withFolder=$kind
        ;;
      *)
        withFolder=''
        if exists "$sysroot$path"; then continue; fi
        if isBelowLink; then
          complain "$path is not created as its package ships it: a folder above it is a link"
          continue
        fi
        withFolder=$kind
        ;;
    esac
    printf '%s\n' "$make" >&3
    printf '%s\n' "$unmake" >&4
  done <"$1" 3>"$runtime/shipped.conf" 4>"$runtime/unshipped.conf"
  [ -s "$runtime/shipped.conf" ] || return 0
  printf '%s\n' "$MARKER_END" >>"$runtime/unshipped.conf"
  if cp -- "$runtime/unshipped.conf" "$marker.new" && sync -- "$marker.new" && mv -T -- "$marker.new" "$marker" &&
    sync -f -- "$marker"; then
    if message=$(systemd-tmpfiles --root="$sysroot/" --create "$runtime/shipped.conf" 2>&1) && message=$(sync 2>&1); then
      forgetShipped
    else
      complain "cannot create on the persist root what packages ship: $message"
      takeBackShipped
    fi
  else complain "nothing that packages ship is created on the persist root: cannot write $marker"; fi
}

# One line that fails takes back all others, so none begins that a user's or a service's link could make fail.
isBelowLink() {
  folder=$sysroot rest=${path#/}
  while
    case $rest in */*) ;; *) return 1 ;; esac
    folder=$folder/${rest%%/*} rest=${rest#*/}
    [ ! -L "$folder" ]
  do :; done
}

# Nobody has used any of it: the boot that made it did not get further. Of a marker that is cut short nothing is believed.
takeBackShipped() {
  if [ "$(tail -n 1 -- "$marker" 2>&1)" = "$MARKER_END" ]; then
    message=$(systemd-tmpfiles --root="$sysroot/" --remove "$marker" 2>&1) || complainOfEach "$message"
  else
    complain "${marker#"$sysroot"} is damaged: files that packages ship in persisted folders may be incomplete; compare them with the closure"
  fi
  forgetShipped
}

# On the disk before anything is written by those who use what was made, for the next boot would take it back.
forgetShipped() {
  { rm -f -- "$marker" && sync -f -- "${marker%/*}"; } || complain "cannot remove $marker: remove it"
}
