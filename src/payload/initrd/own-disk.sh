#!/bin/sh
# Usage: own-disk.sh DISKS LABEL UUID
# For udev: prints `stranger` for what is not what this host finds by the label. DISKS is LABEL/UUID,… as the boot entry says
# it; other labels are everybody's.
case ",$1," in
  *",$2/${3:-},"*) ;;
  *",$2/"*)
    echo "nixfleet: another filesystem also has the label $2, with the UUID ${3:-}: it is ignored" 2>/dev/null >/dev/kmsg || :
    echo stranger
    ;;
esac
