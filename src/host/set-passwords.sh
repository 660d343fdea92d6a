#!/bin/sh
# Gives accounts the password hashes that are kept on the persist root: once per boot, before anybody can log in.
# The list has a line for each account: its name, a tab, the file whose first line is the hash.
# A file that is missing or holds no hash leaves its account locked, and is said; the others are served all the same.
set -eu

list=${1:-/etc/nixfleet/password-files}
tab=$(printf '\t')

hashes() {
  while IFS="$tab" read -r user file; do
    hash=""
    if [ -r "$file" ]; then IFS= read -r hash <"$file" || :; fi
    case $hash in
      *:*) echo "nixfleet: $file is not a password hash: it holds a colon; $user stays locked" >&2 ;;
      '$'* | _*) printf '%s:%s\n' "$user" "$hash" ;;
      '') echo "nixfleet: $file is missing or empty; $user stays locked" >&2 ;;
      *) echo "nixfleet: $file is not a password hash, as mkpasswd prints it; $user stays locked" >&2 ;;
    esac
  done <"$list"
}

hashes | chpasswd --encrypted
