# Links that users have put where a mount would follow them: mount(8) goes through any link in a target or a source, and
# so would show one user the folder of another, or put a user's folder over one of root's. Sourced; the caller has
# sysroot, runtime, tab, complain.
# shellcheck shell=sh disable=SC2154

# withoutUsersLinks FSTAB: sets `fstab` to the file, or where a link that is not root's is on the way of one of its bind
# mounts, to a copy without these. Nobody but this runs yet, so what is found stays as it is.
withoutUsersLinks() {
  fstab=$1 roots="
$sysroot
"
  [ -s "$fstab" ] || return 0
  eachBind rememberRoot
  # shellcheck disable=SC2185 # it has them from the pipe
  links=$(eachBind printWays | find -files0-from - -maxdepth 0 -type l ! -uid 0 2>/dev/null) || :
  [ -n "$links" ] || return 0
  eachBind keepSafe >"$runtime/fstab"
  fstab=$runtime/fstab
}

# eachBind FUNCTION: calls it for each line, with its fields in `source` and `target`.
eachBind() {
  while IFS= read -r line; do
    source=${line%% *} target=${line#* }
    unescape "$source"
    source=$text
    unescape "${target%% *}"
    target=$text
    "$1"
  done <"$fstab"
}

# Sets `text` to a field of fstab(5) as it is meant.
unescape() {
  text='' rest=$1
  while
    text=$text${rest%%\\*}
    case $rest in *\\*) ;; *) return ;; esac
  do
    rest=${rest#*\\}
    case $rest in
      011*) text=$text$tab ;;
      040*) text="$text " ;;
      043*) text="$text#" ;;
      134*) text=$text\\ ;;
    esac
    rest=${rest#???}
  done
}

# An entry may lie in one of another persist root, so what is on the way of one is looked for on all of them.
rememberRoot() {
  case $roots in
    *"
${source%"$target"}
"*) ;;
    *)
      roots="$roots${source%"$target"}
"
      ;;
  esac
}

# Every folder on the way, and what is at its end.
printWays() {
  eachRoot printWay
}

printWay() {
  way=$root rest=${target#/}
  while [ -n "$rest" ]; do
    way=$way/${rest%%/*}
    printf '%s\0' "$way"
    case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
  done
}

# eachRoot FUNCTION: calls it with `root` set to the sysroot, and to each of the persist roots.
eachRoot() {
  while IFS= read -r root; do
    [ -z "$root" ] || "$1" || return 1
  done <<EOF
$roots
EOF
}

keepSafe() {
  if eachRoot isSafe; then printf '%s\n' "$line"; else complain "$target is not placed: $link is a link, and not root's"; fi
}

isSafe() {
  while IFS= read -r link; do
    case $root$target/ in "$link"/*) return 1 ;; esac
  done <<EOF
$links
EOF
}
