#!/bin/sh
# Gives accounts the password hashes that are kept on the persist root: once per boot, before anybody can log in.
# The list has a line for each account: its name, a tab, the file whose first line is the hash.
#
# Each account is served by itself: whatever is in one file costs that account its password, which is said, and nobody
# else's. A file is read only where nobody but root could have put it, so it is no link and nothing that makes a reader
# wait, and has as many bytes as are read of it.
set -eu
export LC_ALL=C
umask 077
# shellcheck source=src/payload/initrd/report.sh
. "${0%/*}/report.sh"

list=${1:-/etc/nixfleet/password-files}
tab=$(printf '\t')

main() {
  while IFS=$tab read -r user file; do
    if readHash && message=$(printf '%s:%s\n' "$user" "$hash" | chpasswd --encrypted 2>&1); then continue; fi
    say "$user gets no password: $message"
  done <"$list"
}

# Sets `hash`; or fails, with the reason in `message`.
readHash() {
  # shellcheck disable=SC2185 # it has them from the pipe
  openToOthers=$(ways | find -files0-from - -maxdepth 0 \( -type l -o ! -uid 0 -o -perm /022 ! -perm -1000 \) -print -quit 2>&1) || :
  if [ ! -e "$file" ] && [ ! -L "$file" ]; then
    message="there is no $file"
  elif [ -L "$openToOthers" ]; then
    message="$openToOthers is a link: set users.users.$user.hashedPasswordFile to the file that it points to"
  elif [ -n "$openToOthers" ]; then
    message="users other than root can change $openToOthers: run chown root and chmod go-w on it"
  elif [ ! -f "$file" ]; then
    message="$file is not a file"
  else
    hash=$(head -c 1024 -- "$file" | tr -d '\0' | sed -n '1{s/[[:space:]]*$//;p;q;}') && isHash && return 0
    message="the first line of $file is not a password hash as mkpasswd prints it"
  fi
  return 1
}

# The file, and every folder on the way to it.
ways() {
  way=$file
  while [ -n "$way" ]; do
    printf '%s\0' "$way"
    way=${way%/*}
  done
}

# crypt(5): a method, its parameters, the salt, and at least as many characters as the shortest digest has, of those that
# a field of shadow(5) may hold. Or BSDi's DES, which has 20.
isHash() {
  case $hash in
    *[!!-~]* | *[:\;\*\!\\]*) return 1 ;;
    '$'?*'$'*'$'?*) digest=${hash##*'$'} && [ "${#digest}" -ge 22 ] ;;
    _*) [ "${#hash}" = 20 ] ;;
    *) return 1 ;;
  esac
}

main
