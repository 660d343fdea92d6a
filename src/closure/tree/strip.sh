#!/bin/sh
# Makes a package object of the assembled tree $1: keeps what a host runs, and nothing that names or belongs to the
# builder, that differs from build to build, or that must be a host's own secret.
set -eu
umask 022
cd "$1"

mv boot/vmlinuz boot/initrd .
chmod 0644 vmlinuz initrd
rm -rf boot dev proc run sys tmp ./initrd.img ./initrd.img.old ./vmlinuz.old

# A host's own: made on the host. What else of that kind there is, host-made.ts finds.
rm -f etc/ssh/ssh_host_* etc/machine-id var/lib/dbus/machine-id var/lib/systemd/random-seed etc/hostid
# A database cluster that postgresql makes, with ids of its own.
rm -rf var/lib/postgresql/* etc/postgresql/*

# The builder's.
rm -f etc/resolv.conf etc/.resolv.conf.systemd-resolved.bak etc/hostname etc/apt/sources.list etc/apt/sources.list.d/*
rm -f etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap etc/apt/trusted.gpg.d/mmdebstrap*

# Backups, locks, caches and logs: traces of the installation.
rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- etc/.pwd.lock
rm -f var/lib/dpkg/lock var/lib/dpkg/lock-frontend var/lib/dpkg/triggers/Lock
rm -f var/lib/dpkg/*-old var/cache/debconf/*-old var/cache/ldconfig/aux-cache
rm -rf var/lib/apt/lists var/cache/apt var/lib/dpkg/updates
rm -rf var/lib/systemd/deb-systemd-helper-* var/lib/systemd/deb-systemd-user-helper-*
mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial var/lib/dpkg/updates
find var/log var/tmp var/backups -xdev -mindepth 1 ! -type d -exec rm -f {} +
find var/tmp var/backups -xdev -mindepth 1 -delete
