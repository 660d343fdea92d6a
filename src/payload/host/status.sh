#!/bin/sh
# Usage: nixfleet status [--json]
# Says what this boot made of the root, and whether that is as declared: then it exits 0, else 1.
#
# It reads what the wipe, the activation and the background prune have recorded below /run/nixfleet (or RUNTIME), and the
# last verification of the store below /nix/nixfleet (or STATE).
set -eu
export LC_ALL=C
runtime=${RUNTIME:-/run/nixfleet} state=${STATE:-/nix/nixfleet} folder=${0%/*} healthy=yes
# shellcheck source=src/payload/initrd/report.sh
. "$folder/report.sh"
# shellcheck source=src/payload/host/read-report.sh
. "$folder/read-report.sh"

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
  readReport verified "$state"
  verified=$report
  readReport room
  room=$report
  readReport back
  back=$report
  readReport switch
  switch=$report
  text=$(
    sayGeneration
    sayUnmarked
    sayWipe
    sayBack
    sayActivation
    sayMembers
    sayArrays
    sayMounts
    sayPrune
    sayVerified
    sayRoom
    saySwitch
    [ "$healthy" = yes ]
  ) || healthy=no
  # What the scripts of another version have written down, too.
  case $text in *[!"$newline"\ -~]*) text=$(printf '%s\n' "$text" | tr '\n' '\0' | visible) ;; esac
  if [ "$format" = text ]; then
    printf '%s\n' "$text"
  else
    boolean=true
    [ "$healthy" = yes ] || boolean=false
    printf '{"healthy":%s' "$boolean"
    json generation "$generation" outcome running passedOver
    json wipe "$wipe" outcome reason steps:steps retired pruned:list created closure
    json activation "$activation" outcome closure problems:list differences:list carried:list
    json prune "$prune" outcome reason pruned:list early:list left:list short
    json verified "$verified" outcome date damaged:list
    json room "$room" outcome said measured:number generations:number snapshots:number free:number oldRoots:numbers
    json back "$back" outcome reason kept
    json switch "$switch" outcome closure confirm:number
    printf '}\n'
  fi
  [ "$healthy" = yes ]
}

# A host that another program boots has none.
sayGeneration() {
  field "$generation" running
  running=$value
  [ -z "$running" ] || echo "This is generation $running."
  field "$generation" passedOver
  passed=$value
  [ -z "$passed" ] || bad "Generation $passed was passed over: it did not come up."
}

# A unit tells the boot loader, once a boot has come up, that its generation works. On a full or broken ESP it cannot.
sayUnmarked() {
  for unit in systemd-bless-boot nixfleet-bless-grub; do
    isUnmarked "$unit.service" || continue
    bad "This generation came up, but the boot loader does not know: the next boot may pass it over."
    echo "Fix what \`systemctl status $unit\` reports, then run: systemctl restart $unit"
  done
}

# Wanted by this boot, and failed; or never begun, for what it needs has failed.
isUnmarked() {
  properties=$(systemctl show --property=ActiveState,WantedBy,Job "$1" 2>/dev/null) || return 1
  case $properties in *WantedBy=[a-z]*) ;; *) return 1 ;; esac
  case $properties in
    *ActiveState=failed*) ;;
    *Job=[1-9]*) return 1 ;;
    *ActiveState=inactive*) systemctl is-active --quiet boot-complete.target ;;
    *) return 1 ;;
  esac
}

sayWipe() {
  [ -f "$folder/wipe.conf" ] || {
    echo 'The root of this host is not ephemeral.'
    return
  }
  field "$wipe" outcome
  case $value in
    wiped)
      echo 'The root is fresh: it was wiped at this boot.'
      field "$wipe" retired
      retired=$value
      [ -z "$retired" ] || echo "The root before it is old_roots/$retired."
      field "$wipe" created
      [ "$value" = snapshot ] || bad 'But it is empty: the closure has no pristine root.'
      field "$wipe" reason
      reason=$value
      [ -z "$reason" ] || bad "But $reason."
      ;;
    skipped)
      field "$wipe" reason
      bad "THE ROOT IS NOT FRESH: the wipe was skipped, because $value."
      ;;
    failed)
      field "$wipe" reason
      bad "THE ROOT IS NOT WIPED: $value"
      echo 'The host booted the previous root. Fix the cause, then reboot.'
      ;;
    interrupted)
      bad 'THE WIPE DID NOT FINISH: the root is either fresh or the previous one.'
      echo 'Nothing is lost. Reboot: the next boot wipes the root.'
      ;;
    *) bad "No report of the wipe: $runtime/wipe.report is missing or is incomplete." ;;
  esac
}

# What `nixfleet rollback --with-state` had ordered.
sayBack() {
  field "$back" outcome
  case $value in
    back) field "$back" kept && echo "What persists was taken back; what it was before is the snapshot $value." ;;
    void) field "$back" reason && echo "What persists was not taken back: $value." ;;
    refused) field "$back" reason && bad "WHAT PERSISTS WAS NOT TAKEN BACK: $value" ;;
    incomplete) field "$back" reason && bad "WHAT PERSISTS WAS TAKEN BACK ONLY IN PART; the next boot goes on: $value" ;;
  esac
}

sayActivation() {
  field "$activation" outcome
  case $value in
    complete)
      echo 'All that is declared is in place.'
      [ -z "$(listed "$activation" differences)" ] || {
        echo 'Some paths have another owner or mode than declared; nothing was changed:'
        listed "$activation" differences | sed 's/^/  /'
      }
      ;;
    incomplete)
      bad 'Some of what is declared is not in place:'
      problems "$activation"
      ;;
    failed)
      bad 'The root is not activated:'
      problems "$activation"
      ;;
    *) bad "No report of the activation: $runtime/activation.report is missing or is incomplete." ;;
  esac
}

# Filesystems that were mounted without one of their disks.
sayMembers() {
  for file in "$runtime/degraded"/*; do
    read -r missing 2>/dev/null <"$file" || continue
    bad "THE FILESYSTEM ${file##*/} IS WITHOUT $missing: what is written now has no second copy."
    echo 'docs/disks.md says how to put another disk in its place.'
  done
}

# Arrays of mdadm of which a disk is missing or has failed: [U_] in the kernel's own list.
sayArrays() {
  [ -r "${MDSTAT:-/proc/mdstat}" ] || return 0
  array=''
  while read -r first second rest; do
    if [ "$second" = : ]; then array=$first; fi
    case "$second $rest" in
      *' [_'*']' | *' [U'*_*']')
        name=$(sed -n "s|^$array .* /dev/md/||p" "${MD_MAP:-/run/mdadm/map}" 2>/dev/null)
        bad "THE ARRAY ${name:-$array} IS WITHOUT one of its disks: what is written now has no second copy."
        echo "docs/disks.md says how to put another disk in its place; mdadm --detail /dev/$array says which it is."
        ;;
    esac
  done <"${MDSTAT:-/proc/mdstat}"
}

# What is declared and not mounted: whatever is written there now is gone at the next boot.
sayMounts() {
  [ -f "$folder/placed.list" ] || return 0
  mounted=$(cut -d ' ' -f 5 -- "${MOUNTINFO:-/proc/self/mountinfo}" | sed 's/%/%%/g; s/\\\([0-7]\{3\}\)/\\\1/g')
  # shellcheck disable=SC2059 # of the format only the escapes are left
  mounted=$(printf "$mounted" | sort -u)
  missing=$(cut -f 2-4 -- "$folder/placed.list" | sed -n 's/^bind\t[^\t]*\t//p' | sort -u | while IFS= read -r path; do
    printf '%s\n' "$mounted" | grep -Fxq -- "$path" || printf '%s\n' "$path"
  done)
  [ -z "$missing" ] || {
    bad 'Not mounted, so data written there is lost at the next boot:'
    printf '%s\n' "$missing" | sed 's/^/  /'
    echo 'Reboot: the boot mounts them, or says why it cannot.'
  }
}

# That old roots wait to be pruned is as it should be; that one cannot be is not.
sayPrune() {
  [ -f "$folder/wipe.conf" ] || return 0
  pruned=$(listed "$prune" pruned | wc -l) left=$(listed "$prune" left | wc -l)
  field "$prune" outcome
  case $value in
    running)
      [ "$left" -lt 1000 ] || left="$left or more"
      echo "Old roots are being pruned in the background; $left were due at the start."
      ;;
    skipped) echo 'Nothing is pruned in a rescue boot.' ;;
    complete) echo "Old roots: $pruned pruned in the background, none is due." ;;
    failed)
      field "$prune" reason
      bad "Cannot prune old roots: $value"
      listed "$prune" left | sed 's|^|  old_roots/|'
      ;;
    stopped) echo "Pruning old roots was stopped: $pruned done, $left to go (systemctl start nixfleet-prune)." ;;
    *) echo 'Old roots have not been pruned in the background since this boot.' ;;
  esac
  [ -z "$(listed "$prune" early)" ] || {
    echo 'These old roots were deleted early, to make space:'
    listed "$prune" early | sed 's|^|  old_roots/|'
  }
  field "$prune" short
  short=$value
  [ -z "$short" ] || {
    bad "The filesystem is short of space: $short."
    echo 'Delete large files or enlarge the filesystem, then run: systemctl start nixfleet-prune'
  }
}

# Of the store. What was damaged, and has been brought here again since, is noted as whole.
sayVerified() {
  [ -f "$folder/verify.sh" ] || return 0
  field "$verified" date
  date=$value
  [ -n "$date" ] || {
    echo 'Whether the store is what was built has not been looked at yet (nixfleet verify).'
    return
  }
  damaged=$(listed "$verified" damaged | while IFS= read -r name; do
    [ ! -e "${state%/*}/store/$name" ] || [ -e "$state/whole/$name" ] || printf '%s\n' "$name"
  done)
  if [ -z "$damaged" ]; then
    echo "The store was what was built on $date."
  else
    bad "THE STORE IS DAMAGED, as was seen on $date:"
    printf '%s\n' "$damaged" | sed 's/^/  /'
    echo 'Bring these here again: nixfleet switch from the builder, or nixfleet pull.'
  fi
}

# What nixfleet-measure.service has found since this boot.
sayRoom() {
  field "$room" said
  said=$value
  [ -z "$said" ] || printf '%s\n' "$said"
}

# Since this boot. A connection may have been cut by it.
saySwitch() {
  field "$switch" closure
  to=$value
  field "$switch" outcome
  case $value in
    running) echo "A switch to $to is running." ;;
    waiting) echo "A switch to $to waits to be confirmed, and goes back without: nixfleet confirm" ;;
    going-back) echo "A switch to $to is going back." ;;
    switched) echo "The last switch was to $to." ;;
    back) echo "The last switch, to $to, went back: it was not confirmed over a new connection." ;;
    refused) echo "The last switch, to $to, changed nothing." ;;
    incomplete)
      bad "The last switch, to $to, did not do everything."
      sayLog
      ;;
    partly-back)
      bad "The last switch, to $to, was not confirmed, and did not go back in everything. Reboot: what ran before it boots."
      sayLog
      ;;
  esac
}

sayLog() { echo 'What it did: journalctl -t nixfleet-switch'; }

bad() {
  printf '%s\n' "$1"
  healthy=no
}

problems() {
  listed "$1" problems | sed 's/^/  /'
}

main "$@"
