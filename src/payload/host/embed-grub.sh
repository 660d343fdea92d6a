# shellcheck shell=sh disable=SC2154 # set by those who source it
# GRUB where a BIOS finds it: boot.img in the first sector of the disk; in the partition of type bios-boot a small
# filesystem with GRUB's environment (see grub.sh), and behind it the core image. It is what grub-bios-setup does, without
# asking this machine about its own disks. The places of the numbers are those of GRUB's include/grub/i386/pc/boot.h.
# Sourced by place-host.sh, whose DISK it writes to.

# In sectors of 512 bytes: the environment, with room.
ENVIRONMENT_SECTORS=1024

# embedGrub LIB: of the closure.
embedGrub() {
  core=$1/nixfleet/grub.img boot=$1/grub/i386-pc/boot.img
  [ -e "$core" ] || fail "the closure has no GRUB: add the package grub-pc-bin to the host"
  place=$(partx --noheadings --raw --output START,SECTORS --nr "$GRUB_NUMBER" -- "$DISK") || place=''
  [ -n "$place" ] || fail "$DISK has no partition $GRUB_NUMBER for GRUB"
  start=$((${place% *} + ENVIRONMENT_SECTORS))
  sectors=$((($(stat -L -c %s -- "$core") + 511) / 512))
  [ $((ENVIRONMENT_SECTORS + sectors)) -le "${place#* }" ] ||
    fail "partition $GRUB_NUMBER of $DISK is too small for GRUB: give it 1M"
  # What it says of this host's generations stays; of a host that was here before, nothing does.
  readNumbers
  if [ -z "$numbers" ] || ! head -c $((ENVIRONMENT_SECTORS * 512)) -- "$GRUB" | grep -a -q '# GRUB Environment Block'; then
    writeTo "$GRUB" 0 <"$1/nixfleet/grub-environment.img"
  fi
  coreImage | writeTo "$GRUB" "$ENVIRONMENT_SECTORS"
  # The first sector last: until then the disk boots what it booted before.
  bootSector | writeTo "$DISK" 0
}

# What the image says of itself: where its second sector is, how many there are, and where they are loaded to.
coreImage() {
  dd if="$core" bs=500 count=1
  littleEndian 8 $((start + 1))
  littleEndian 2 $((sectors - 1))
  littleEndian 2 $((0x820))
  dd if="$core" bs=512 skip=1 conv=sync
} 2>/dev/null

# The code of the first sector; behind its 440 bytes are the disk's signature and its table.
bootSector() {
  dd if="$boot" bs=1 count=$((0x5c))
  littleEndian 8 "$start"
  dd if="$boot" bs=1 skip=$((0x64)) count=2
  printf '\220\220' # two no-operations: some BIOSes say wrongly which drive they boot from
  dd if="$boot" bs=1 skip=$((0x68)) count=$((440 - 0x68))
} 2>/dev/null

# writeTo DEVICE SECTOR: what it reads; on the disk when it returns.
writeTo() {
  dd of="$1" bs=512 seek="$2" iflag=fullblock conv=notrunc,fsync 2>/dev/null || fail "cannot write $1"
}

# littleEndian COUNT NUMBER
littleEndian() {
  count=$1 value=$2
  while [ "$count" -gt 0 ]; do
    # shellcheck disable=SC2059 # the byte is the format
    printf "\\$(printf '%03o' $((value % 256)))"
    value=$((value / 256)) count=$((count - 1))
  done
}
