# shellcheck shell=sh disable=SC2034,SC2154,SC2153 # set for those who source it, and by them
# Generations in the menu of GRUB, on a host that a BIOS boots. GRUB reads kernels and initrds from the store itself.
# It can write one thing: its environment block, of 1024 bytes, in a file that is there already. The partition GRUB has a
# small filesystem for it, before GRUB's own image:
#   trial, left   the newest generation until it has proved itself, and how often it may still be tried
#   proved, good  those that have reached boot-complete.target, oldest first, and the newest of them
# Sourced by generation-store.sh, whose parameters it adds to:
#   GRUB            the device of the partition of type bios-boot; empty: GRUB does not boot this host
#   GRUB_NUMBER     its number
#   NIX_SUBVOLUME   what NIX is on its filesystem

# Sets `environment`: where the block is, in bytes from the start of the partition. Its file is never moved.
findGrubEnvironment() {
  environment=$(head -c 524288 -- "$GRUB" | grep -a -b -o -m 1 '# GRUB Environment Block' | sed -n '1s/:.*//p')
  [ -n "$environment" ] || fail "$GRUB has no GRUB environment block: install the host again"
}

# Sets `trial`, `left` and `proved`.
readGrubEnvironment() {
  trial='' left='' proved=''
  findGrubEnvironment
  while IFS='=' read -r key value; do
    case $key=$value in
      *=*[!0-9\ ]*) ;;
      trial=*) trial=$value ;;
      left=*) left=$value ;;
      proved=*) proved=$value ;;
    esac
  done <<END
$(dd if="$GRUB" bs=1024 skip="$((environment / 1024))" count=1 2>/dev/null)
END
}

# Of `trial`, `left` and `proved`, after they were read. One write of one block.
writeGrubEnvironment() {
  readNumbers
  good='' still=''
  for each in $numbers; do
    case " $proved " in *" $each "*) good=$each still="$still $each" ;; esac
  done
  {
    printf '# GRUB Environment Block\ntrial=%s\nleft=%s\ngood=%s\nproved=%s\n' "$trial" "$left" "$good" "${still# }"
    printf '%1024s' '' | tr ' ' '#'
  } | dd of="$GRUB" bs=1024 seek="$((environment / 1024))" count=1 iflag=fullblock conv=notrunc,fsync 2>/dev/null ||
    fail "cannot write $GRUB"
}

# Sets `state` of a generation.
grubState() {
  readGrubEnvironment
  case " $proved " in
    *" $1 "*) state=good ;;
    *)
      state='not proved'
      [ "$1" != "$trial" ] || state="not proved, $left tries left"
      [ "$1,$left" != "$trial,0" ] || state='passed over'
      ;;
  esac
}

# Puts a generation on trial that is new, or was passed over.
grubTry() {
  grubState "$1"
  case $state in 'not proved' | 'passed over')
    trial=$1 left=$TRIES
    writeGrubEnvironment
    ;;
  esac
}

# Sets `default` to the generation that a rollback has chosen; empty: none.
readGrubDefault() {
  default=$(sed -n 's/^set chosen=//p' "$STATE/grub/grub.cfg" 2>/dev/null) || default=''
}

# grubWrite NUMBER: the menu, of all generations; NUMBER is the one that is booted; empty: the newest that works.
# GRUB does not replay btrfs's log, so the whole filesystem is synced.
grubWrite() {
  mkdir -p -- "$STATE/grub"
  readNumbers
  grubMenu "$1" >"$STATE/grub/grub.cfg.new"
  sync -f -- "$STATE/grub/grub.cfg.new"
  mv -T -- "$STATE/grub/grub.cfg.new" "$STATE/grub/grub.cfg"
  sync -f -- "$STATE/grub"
}

grubMenu() {
  newest=$(printf '%s\n' "$numbers" | tail -n 1)
  readGeneration "$newest"
  case $(cat -- "$NIX/store/${closure##*/}/cmdline") in
    *console=ttyS0*) printf 'serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n' ;;
  esac
  cat <<END
set timeout=$TIMEOUT
set chosen=$1
regexp --set 1:disk '^([^,]*),' "\$root"
set environment="(\$disk,gpt$GRUB_NUMBER)/grubenv"
load_env --file "\$environment" trial left good
set default=nixfleet-$newest
if [ "\$trial" = "$newest" -a "\$left" = "0" -a -n "\$good" ]; then set default="nixfleet-\$good"; fi
if [ -n "\$chosen" ]; then set default="nixfleet-\$chosen"; fi
function count {
  if [ "\$trial" != "\$1" ]; then return; fi
  if [ "\$left" != "0" ]; then set trying=nixfleet.trial; fi
$(countDown)
  save_env --file "\$environment" trial left good
}
END
  for each in $(printf '%s\n' "$numbers" | sort -rn); do
    readGeneration "$each"
    grubEntry "$each" "$HOST_NAME, generation $each of $date: $changes" "nixfleet-$each" ''
  done
  readGeneration "$newest"
  grubEntry "$newest" "$HOST_NAME, generation $newest, without a wipe: the root of the last boot again" nixfleet-rescue ' nixfleet.wipe=skip'
}

# GRUB cannot count, so each number has its line.
countDown() {
  left=9 word=if
  while [ "$left" -gt 0 ]; do
    # shellcheck disable=SC2016 # GRUB expands it
    printf '  %s [ "$left" = "%s" ]; then set left=%s\n' "$word" "$left" "$((left - 1))"
    left=$((left - 1)) word=elif
  done
  printf '  fi\n'
}

# grubEntry NUMBER TITLE ID PARAMETERS; of `closure`.
grubEntry() {
  readPackages "$closure"
  store=/$NIX_SUBVOLUME/store
  cat <<END
menuentry '$(printf '%s' "$2" | tr "'" ' ')' --id $3 {
  count $1
  linux (\$root)$store/$packages/vmlinuz $(grubWords "$(cat -- "$NIX/store/${closure##*/}/cmdline") nixfleet.closure=$closure${KERNEL_PARAMETERS:+ $KERNEL_PARAMETERS}$4") \$trying
  initrd (\$root)$store/$packages/initrd (\$root)$store/${closure##*/}/host.cpio
}
END
}

# grubWords PARAMETERS: each of them as one word of GRUB's, in single quotes: outside of them `$`, `;`, `{` and others mean
# something to it. A parameter with blanks loses its own quotes, since GRUB puts such ones around all of it.
grubWords() {
  printf '%s\n' "$1" | sed "s/'/'\\\\''/g
    :blank
    s/^\(\([^\"]*\"[^\"]*\"\)*[^\"]*\"[^\" ]*\) /\1\x01/
    t blank
    s/\"//g; s/^ *\|  *\$//g; s/  */' '/g; s/\x01/ /g; s/.*/'&'/"
}
