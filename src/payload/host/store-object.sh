# shellcheck shell=sh
# Store objects on a host's filesystem: until they are whole, whether they are, and once they are to go.
# Sourced by whoever puts them there, relies on them or deletes them, with `here`, the folder of the scripts.

# fail MESSAGE [EXIT CODE]
fail() {
  printf 'nixfleet: %s\n' "$1" >&2
  exit "${2:-1}"
}

# isObject STORE NAME
isObject() { isObjectName "$2" && [ -d "$1/$2" ] && [ ! -L "$1/$2" ]; }

# isObjectName NAME: 32 characters of a digest, and a name: what nixfleet calls store objects.
isObjectName() {
  case $1 in
    *[!A-Za-z0-9-]*) return 1 ;;
    ????????????????????????????????-nixfleet-?* | ????????????????????????????????-debian-?* | ????????????????????????????????-runtime-?*) ;;
    *) return 1 ;;
  esac
}

# packagesOf CLOSURE: prints the name of the package object that a closure refers to.
packagesOf() {
  link=$(readlink -- "$1/usr") || link=''
  link=${link#../}
  printf '%s' "${link%/usr}"
}

# referencesOf CLOSURE: prints the names of the objects that a closure refers to: its packages, and the runtime of one that
# runs programs of the fleet.
referencesOf() {
  packagesOf "$1"
  runtime=$(readlink -- "$1/runtime") || return 0
  printf ' %s' "${runtime#../}"
}

# nameObject STORE NAME: what is there as .new-NAME gets its name, on the disk, if that is what it is. A damaged one that
# has the name makes room.
nameObject() {
  makeRootSubvolume "$1/.new-$2" && verifyObject "$1/.new-$2" "$2" && sync -f -- "$1" || return 1
  [ ! -e "$1/$2" ] || mv -T -- "$1/$2" "$1/.damaged-$$-$2" || return 1
  mv -T -- "$1/.new-$2" "$1/$2" && sync -- "$1" && noteWhole "$1" "$2"
}

# isWhole STORE NAME: whether it is what was built; else what is damaged is said. Reading all of it takes a second for
# 250 MB, and much more on a small machine. So what was whole counts as such for as long as none of its files has another
# inode or was changed since, in whatever way (ctime; see inode(7)). What a disk loses by itself `nixfleet verify` finds.
isWhole() {
  [ -d "$1/$2" ] || {
    printf 'there is no %s in the store\n' "$2" >&2
    return 1
  }
  [ "$(inodes "$1/$2")" != "$(cat -- "$1/../nixfleet/whole/$2" 2>/dev/null)" ] || return 0
  verifyObject "$1/$2" "$2" && noteWhole "$1" "$2"
}

noteWhole() {
  mkdir -p -- "$1/../nixfleet/whole" && inodes "$1/$2" >"$1/../nixfleet/whole/$2"
}

inodes() { find "$1" -printf '%i %C@ %P\n' | sha256sum; }

# verifyObject FOLDER NAME: reads all of it. The reason comes last.
verifyObject() {
  differences=$(contents verify "$1" "${2%%-*}") && return 0
  {
    printf '%s\n' "$differences" | sed '20s/.*/and more/;21,$d'
    printf '%s is not what was built\n' "$2"
  } >&2
  return 1
}

# Beside these scripts on a host, in src/closure/store on a builder; CONTENTS says where else.
contents() {
  program=${CONTENTS:-$here/contents.pl}
  [ -e "$program" ] || program=$here/../../closure/store/contents.pl
  perl -- "$program" "$@"
}

# makeRootSubvolume OBJECT: the pristine root of a closure becomes a read-only subvolume, so that a fresh root is a
# snapshot of it: btrfs-subvolume(8). The object's own time comes last, for what is made in it changes it; then it has
# the digest of the original. On another filesystem, and in an object without such a root, nothing is done.
makeRootSubvolume() {
  [ -d "$1/root" ] && [ -e "$1/cmdline" ] && [ "$(stat -f -c %T -- "$1")" = btrfs ] || return 0
  time=$(stat -c %y -- "$1") &&
    mv -T -- "$1/root" "$1/root.folder" &&
    btrfs subvolume create "$1/root" >/dev/null &&
    cp -a --reflink=auto -T -- "$1/root.folder" "$1/root" &&
    rm -rf --one-file-system -- "$1/root.folder" &&
    btrfs property set -t subvol "$1/root" ro true &&
    touch --no-create --date="$time" -- "$1"
}

# removeLeft STORE: what earlier runs have begun, and damaged objects that were replaced and from which nothing runs now.
removeLeft() {
  for left in "$1"/.new-* "$1"/.damaged-*; do
    [ -e "$left" ] || continue
    grep -q -F -- "/${left##*/}/" /proc/self/mountinfo || removeObject "$left"
  done
}

# A read-only subvolume cannot be removed as a folder. Where there is none, that fails.
removeObject() {
  [ ! -d "$1/root" ] || btrfs subvolume delete "$1/root" >/dev/null 2>&1 || :
  rm -rf --one-file-system -- "$1"
}
