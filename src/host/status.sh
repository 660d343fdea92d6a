#!/bin/sh
# Usage: nixfleet status [--json]
# Says what this boot made of the root, and whether that is as declared: then it exits 0, else 1.
#
# It reads what the wipe, the activation and the background prune have recorded below /run/nixfleet (or RUNTIME).
set -eu
export LC_ALL=C
runtime=${RUNTIME:-/run/nixfleet} folder=${0%/*} healthy=yes

main() {
  case $# in
    0) format=text ;;
    *)
      [ "$#$1" = 1--json ] || {
        echo 'usage: nixfleet status [--json]' >&2
        exit 2
      }
      format=json
      ;;
  esac
  readReport wipe
  wipe=$report
  readReport activation
  activation=$report
  readReport prune
  prune=$report
  readReport generation
  generation=$report
  text=$(
    sayGeneration
    sayWipe
    sayActivation
    sayPrune
    [ "$healthy" = yes ]
  ) || healthy=no
  if [ "$format" = text ]; then
    printf '%s\n' "$text"
  else
    boolean=true
    [ "$healthy" = yes ] || boolean=false
    printf '{"healthy":%s,"generation":%s,"wipe":%s,"activation":%s,"prune":%s}\n' \
      "$boolean" "${generation:-null}" "${wipe:-null}" "${activation:-null}" "${prune:-null}"
  fi
  [ "$healthy" = yes ]
}

# A host that another program boots has none.
sayGeneration() {
  running=$(field "$generation" running)
  [ -z "$running" ] || echo "This is generation $running."
  passed=$(field "$generation" passedOver)
  [ -z "$passed" ] || bad "GENERATION $passed WAS PASSED OVER: it did not come up."
}

sayWipe() {
  [ -f "$folder/wipe.conf" ] || {
    echo 'The root of this host is not ephemeral.'
    return
  }
  case $(field "$wipe" outcome) in
    wiped)
      echo 'The root is fresh: it was wiped at this boot.'
      retired=$(field "$wipe" retired)
      [ -z "$retired" ] || echo "The root before it is old_roots/$retired."
      [ "$(field "$wipe" created)" = snapshot ] || bad 'BUT IT IS EMPTY: the closure has no pristine root.'
      reason=$(field "$wipe" reason)
      [ -z "$reason" ] || bad "But $reason"
      ;;
    skipped)
      bad "THE ROOT IS NOT FRESH: the wipe was skipped, for $(field "$wipe" reason)."
      ;;
    failed)
      bad "THE ROOT IS NOT WIPED: $(field "$wipe" reason)"
      echo 'The previous root was booted. What is wrong has to be put right; then reboot.'
      ;;
    interrupted)
      bad 'THE WIPE WAS ENDED BEFORE ITS END: the root is a fresh one or the previous one.'
      echo 'Nothing is lost, and the next boot wipes it: reboot.'
      ;;
    *) bad "NOTHING IS KNOWN OF THE WIPE: $runtime/wipe.json is not there, or is not a report." ;;
  esac
}

sayActivation() {
  case $(field "$activation" outcome) in
    complete)
      echo 'All that is declared is in place.'
      [ -z "$(listed "$activation" differences)" ] || {
        echo 'Some of it has another owner or mode than declared, and is left as it is:'
        listed "$activation" differences | sed 's/^/  /'
      }
      ;;
    incomplete)
      bad 'NOT ALL THAT IS DECLARED IS IN PLACE:'
      problems "$activation"
      ;;
    failed)
      bad 'THE ROOT IS NOT ACTIVATED:'
      problems "$activation"
      ;;
    *) bad "NOTHING IS KNOWN OF THE ACTIVATION: $runtime/activation.json is not there, or is not a report." ;;
  esac
}

# That old roots wait to be pruned is as it should be; that one cannot be is not.
sayPrune() {
  [ -f "$folder/wipe.conf" ] || return 0
  pruned=$(listed "$prune" pruned | wc -l) left=$(listed "$prune" left | wc -l)
  case $(field "$prune" outcome) in
    running)
      [ "$left" -lt 1000 ] || left="$left or more"
      echo "Old roots are being pruned in the background; $left were due when that began."
      ;;
    skipped) echo 'Nothing is pruned in a rescue boot.' ;;
    complete) echo "Old roots: $pruned pruned in the background, none is due." ;;
    failed)
      bad "OLD ROOTS CANNOT BE PRUNED: $(field "$prune" reason)"
      listed "$prune" left | sed 's|^|  old_roots/|'
      ;;
    stopped) echo "Pruning old roots was stopped: $pruned done, $left to go (systemctl start nixfleet-prune)." ;;
    *) echo 'Old roots have not been pruned in the background since this boot.' ;;
  esac
}

bad() {
  printf '%s\n' "$1"
  healthy=no
}

problems() {
  listed "$1" problems | sed 's/^/  /'
}

# Sets `report` to the report $1, which its writer has put on one line; empty where that is not so.
readReport() {
  report=''
  [ ! -r "$runtime/$1.json" ] || read -r report <"$runtime/$1.json" || :
  case $report in '{"outcome":"'*'}') ;; *) report='' ;; esac
}

# field REPORT NAME: what the string NAME says. A quote within a string has a backslash before it, so `"NAME":` is no text.
field() {
  printf '%s\n' "$1" | sed -n 's/^.*"'"$2"'":"\(\([^"\\]\|\\.\)*\)".*$/\1/p' | sed 's/\\\(.\)/\1/g'
}

# listed REPORT NAME: the strings of the list NAME, each on a line. Its end is no text either, but may be another list's.
listed() {
  printf '%s\n' "$1" | sed -n 's/^.*"'"$2"'":\[\(\("\([^"\\]\|\\.\)*",\{0,1\}\)*\)\].*$/\1/p' |
    sed 's/"\(\([^"\\]\|\\.\)*\)",\{0,1\}/\1\n/g' | sed '/^$/d;s/\\\(.\)/\1/g'
}

main "$@"
