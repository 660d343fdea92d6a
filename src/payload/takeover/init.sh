#!/bin/sh
# The first process of an installer in memory. The kernel has unpacked the store of the host that is to be installed, and
# /nixfleet. Makes a root of the host's own, with nothing of it but its programs running, and goes on as its systemd.
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin
closure=/store/$(cat /nixfleet/closure)
root=/root.new

mkdir -p /proc
mount -t proc proc /proc
# What an archive for the kernel does not have: the store is to be what was built.
packages=$(readlink "$closure/usr")
perl /nixfleet/metadata.pl "$closure" "/store/$(basename "${packages%/usr}")"
cp -a -T -- "$closure/root" "$root"
rm -rf -- "$root/etc/systemd" "$root/etc/fstab" "$root/etc/crypttab" "$root/etc/modules-load.d"
cp -a -- /nixfleet/etc/. "$root/etc/"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
mount --bind "$root" "$root"
mount --bind "$closure/usr/" "$root/usr"
mkdir -p "$root/nix/store"
mount --bind /store "$root/nix/store"
umount /proc
cd "$root"
mount --move . /
exec chroot . /usr/lib/systemd/systemd
