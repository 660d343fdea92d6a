#!/bin/sh
# mmdebstrap's customize hook: $1 is the tree, all its packages are installed, /dev, /proc and /sys are mounted in it.
# Makes in the tree what its packages alone do not: locales, ids that stay, the way to the host's own command, and the
# generic initrd as /boot/initrd.
set -eu
root=$1

generate_locales() {
  for locale in $NIXFLEET_LOCALES; do
    charset=${locale#*.}
    [ "$charset" != "$locale" ] || charset=UTF-8
    printf '%s %s\n' "$locale" "$charset"
  done > "$root/etc/locale.gen"
  chroot "$root" locale-gen
}

# The command is each host's own, /usr the same for all with these packages: so only a link to it.
link_command() {
  mkdir -p "$root/usr/local/bin"
  ln -s /etc/nixfleet/nixfleet "$root/usr/local/bin/nixfleet"
}

# What the scripts of src/payload/initrd may call. Bash is not among them.
required="
  blkid btrfs cat chattr chmod chown chroot cp cut date dirname basename dd env find findmnt flock grep head id ln ls mkdir
  mktemp mount mountpoint mv printf readlink rm rmdir sed sh sleep sort stat sync systemctl systemd-cat systemd-notify
  systemd-tmpfiles tail test touch tr true umount uname wc xargs"

# Drivers that a root filesystem or an ESP may need and that dracut's selection has not been seen to hold everywhere.
# One that the kernel package lacks is passed over.
drivers="
  ahci ata_piix btrfs ext4 nls_ascii nls_cp437 nls_iso8859-1 nls_utf8 nvme sd_mod sr_mod uas usb-storage vfat
  virtio_blk virtio_pci virtio_scsi virtio_rng virtiofs"

make_initrd() {
  version=
  for folder in "$root"/usr/lib/modules/*; do
    [ -d "$folder/kernel" ] || continue
    [ -z "$version" ] || {
      echo "E: two kernels: $version and ${folder##*/}. Declare one kernel package." >&2
      return 1
    }
    version=${folder##*/}
  done
  [ -n "$version" ] || {
    echo "E: no kernel: declare a kernel package, for instance linux-image-amd64." >&2
    return 1
  }
  for tool in $required; do
    [ -x "$root/usr/bin/$tool" ] || [ -x "$root/usr/sbin/$tool" ] || {
      echo "E: no package has $tool, which the initrd needs." >&2
      return 1
    }
  done
  rm -f "$root"/boot/initrd*
  # Level 9 is 1% larger than 15 and six times faster. In blocks that begin where the content says so, most of what is
  # compressed stays as it is when a library in it changes: 2% larger, and an update a tenth of it. The bytes are the same on
  # any number of processors.
  # No device nodes, which only the root of a machine could make: the kernel has those that systemd begins with.
  DRACUT_NO_MKNOD=1 chroot "$root" dracut --quiet --force --no-hostonly --no-hostonly-cmdline --reproducible \
    --compress "zstd -q -9 -T1 --rsyncable -B512K" \
    --no-early-microcode --add "systemd btrfs" --install "$required" --add-drivers "$drivers" --kver "$version" /boot/initrd
  # The host's own initrd is appended, and the kernel wants that to start at a multiple of 4.
  truncate --size=%4 "$root/boot/initrd"
  cp --dereference "$root/boot/vmlinuz-$version" "$root/boot/vmlinuz"
}

# The image that a BIOS boots: GRUB finds its menu in the store of the disk that it is on, or else of another.
make_grub() {
  [ -d "$root/usr/lib/grub/i386-pc" ] || return 0
  menu=/@nix/nixfleet/grub
  mkdir -p "$root/usr/lib/nixfleet"
  {
    echo "search.file $menu/grub.cfg root hd0,gpt1 hd0,gpt2 hd0,gpt3 hd0,gpt4 hd0,gpt5 hd0,gpt6 hd0,gpt7 hd0,gpt8"
    echo "set prefix=(\$root)$menu"
  } >"$root/tmp/grub.cfg"
  chroot "$root" grub-mkimage --format i386-pc --prefix "$menu" --config /tmp/grub.cfg \
    --output /usr/lib/nixfleet/grub.img \
    biosdisk part_gpt btrfs ext2 normal linux search_fs_file regexp loadenv test echo sleep serial terminal ls cat reboot halt
  rm "$root/tmp/grub.cfg"
  make_grub_environment "$root/usr/lib/nixfleet/grub-environment.img"
}

# The one file that GRUB writes to, on a filesystem of its own: it can only overwrite, and on btrfs not even that.
make_grub_environment() {
  mkdir "$root/tmp/environment"
  {
    echo '# GRUB Environment Block'
    printf '%999s' '' | tr ' ' '#'
  } >"$root/tmp/environment/grubenv"
  E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext2 -b 1024 -N 16 -m 0 -O none \
    -E hash_seed=6e697866-6c65-6574-6772-7562656e7600 -U 6e697866-6c65-6574-6772-7562656e7600 -d "$root/tmp/environment" "$1" 512k
  rm -r "$root/tmp/environment"
}

[ -z "$NIXFLEET_LOCALES" ] || generate_locales
# mdadm's package writes into it when that was. A host with arrays gets its own.
rm -f "$root/etc/mdadm/mdadm.conf"
make_grub
# Before the initrd, which holds accounts too.
"$NIXFLEET_NODE" "$NIXFLEET_RENUMBER" "$root" "$NIXFLEET_IDS"
link_command
make_initrd
