#!/bin/sh
# Usage: array-event.sh EVENT ARRAY [DEVICE]
# mdadm's monitor calls it (PROGRAM in mdadm.conf(5)): what happens to an array is in the journal, in a word of its own.
case $1 in
  Fail | FailSpare | DegradedArray | DeviceDisappeared | SparesMissing) level=3 ;;
  *) level=6 ;;
esac
echo "<$level>nixfleet: array $2: $1${3:+ of $3}" | systemd-cat --identifier=nixfleet
