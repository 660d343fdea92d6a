#!/bin/sh
# Usage: switch-follow.sh FOLDER OUTCOME...
#
# Waits until the outcome of the switch of FOLDER is none of those given, ten seconds at most. Then prints `outcome=…`, a line
# `done=…` for each thing done, and `problem=…` for each that failed.
set -eu
folder=$1
shift

left=10
while :; do
  read -r outcome <"$folder/outcome"
  case " $* " in *" $outcome "*) ;; *) break ;; esac
  [ "$left" -gt 0 ] || break
  sleep 1
  left=$((left - 1))
done
printf 'outcome=%s\n' "$outcome"
sed 's/^/done=/' <"$folder/said"
sed 's/^nixfleet: //;s/^/problem=/' <"$folder/problems"
