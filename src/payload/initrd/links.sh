# Links where a mount would follow them: mount(8) goes through any link in a target or a source. Through one that a user has
# put there it would show one user the folder of another, or put a user's folder over one of root's. Root's own are meant,
# but lead where the host's root is, not that of the initrd. Sourced; the caller has sysroot, runtime, tab, complain.
# shellcheck shell=sh disable=SC2154
ownLinks=''

# safeFstab FSTAB: sets `fstab` to the file, or where there are links on the way of its bind mounts, to a copy: without
# those where a link is not root's, and with the place that root's lead to. Nobody but this runs yet, so what is found
# stays as it is.
safeFstab() {
  fstab=$1 roots="
$sysroot
"
  [ -s "$fstab" ] || return 0
  eachBind rememberRoot
  # shellcheck disable=SC2185 # it has them from the pipe
  found=$(eachBind printWays | find -files0-from - -maxdepth 0 -type l -printf '%U %p\n' 2>/dev/null) || :
  [ -n "$found" ] || return 0
  links=$(printf '%s\n' "$found" | sed -n '/^0 /!s/^[0-9]* //p')
  ownLinks=$(printf '%s\n' "$found" | sed -n 's/^0 //p')
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
  if ! eachRoot isSafe; then complain "$target is not placed: $link is a link that root does not own"
  elif ! isBelowOwnLink "$sysroot$target" && ! isBelowOwnLink "$source"; then printf '%s\n' "$line"
  elif ! resolve "$target" || ! place=${resolved#"$sysroot"} || ! resolveSource; then
    complain "$target is not placed: a link on the path to its data is broken, or others than root can change it"
  else
    rest=${line#* } rest=${rest#* }
    escape "$resolved"
    resolved=$text
    escape "$place"
    printf '%s\n' "$resolved $text $rest"
  fi
}

# What the closure manages is not below the sysroot.
resolveSource() {
  case $source in "$sysroot"/*) resolve "${source#"$sysroot"}" ;; *) resolved=$source ;; esac
}

isBelowOwnLink() {
  while IFS= read -r link; do
    case ${link:+$1/} in "$link"/*) return 0 ;; esac
  done <<EOF
$ownLinks
EOF
  return 1
}

# resolve PATH: sets `resolved` to where the host would find it. Only root's links are followed.
resolve() {
  resolved=$sysroot rest=$1 hops=0
  while [ -n "$rest" ]; do
    rest=${rest#/} name=${rest%%/*}
    case $rest in */*) rest=/${rest#*/} ;; *) rest='' ;; esac
    case $name in
      '' | .) ;;
      ..) [ "$resolved" = "$sysroot" ] || resolved=${resolved%/*} ;;
      *)
        if [ ! -L "$resolved/$name" ]; then
          resolved=$resolved/$name
          continue
        fi
        hops=$((hops + 1))
        [ "$hops" -le 40 ] && isRootsOwn "$resolved" "$resolved/$name" && goal=$(readlink -- "$resolved/$name") || return 1
        rest=$goal$rest
        case $goal in /*) resolved=$sysroot ;; esac
        ;;
    esac
  done
  [ -e "$resolved" ]
}

# isRootsOwn FOLDER LINK: nobody else can have put it there.
isRootsOwn() {
  [ "$(find "$@" -maxdepth 0 -uid 0 \( -type l -o -type d ! -perm /022 \) -printf .)" = .. ]
}

# Sets `text` to a path as a field of fstab(5).
escape() {
  text=$(printf '%s' "$1" | sed "s/\\\\/\\\\134/g; s/ /\\\\040/g; s/$tab/\\\\011/g; s/#/\\\\043/g")
}

isSafe() {
  while IFS= read -r link; do
    case $root$target/ in "$link"/*) return 1 ;; esac
  done <<EOF
$links
EOF
}
