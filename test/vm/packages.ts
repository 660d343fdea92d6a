/** The packages of the small hosts, of each what another needs too: so they share one package tree. */
export const SHARED_PACKAGES = [
  "curl",
  "dosfstools",
  "e2fsprogs",
  "grub-pc-bin",
  "gvfs",
  "libglib2.0-bin",
  "systemd-boot",
  "systemd-boot-efi",
] as const;
