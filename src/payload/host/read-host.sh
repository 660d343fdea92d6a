# shellcheck shell=sh
# Sent to a host, which may run another version: prints what a switch is planned from, each line of a file behind a name
# for it and a tab.
set -eu
export LC_ALL=C
nix=${NIX:-/nix} runtime=${RUNTIME:-/run/nixfleet} scripts=${SCRIPTS:-/etc/nixfleet}
tab=$(printf '\t')

# print NAME FILE
print() { [ ! -r "$2" ] || sed "s|^|$1$tab|" <"$2"; }

booted=$(sed -n 's/^closure=//p' "$runtime/activation.report" 2>/dev/null) || booted=''
printf 'booted\t%s\n' "$booted"
print recorded "$runtime/closure"
print placed "$scripts/placed.list"
for closure in $({
  printf '%s\n' "$booted"
  cat "$runtime/closure" 2>/dev/null || :
} | grep '^/nix/store/[^ ]*$' | sort -u); do
  print "$closure/plan.json" "$nix${closure#/nix}/plan.json"
  print "$closure/manifest.json" "$nix${closure#/nix}/manifest.json"
done
newest=$(cd "$nix/nixfleet/generations" 2>/dev/null && for each in *; do
  case $each in *[!0-9]*) ;; *) printf '%s\n' "$each" ;; esac
done | sort -n | tail -n 1) || newest=''
[ -z "$newest" ] || printf 'newest\t%s\n' "$(head -n 1 "$nix/nixfleet/generations/$newest")"
