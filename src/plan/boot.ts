/** What the kernel and the initrd are told. */
export interface BootPlan {
  /** After `root=` and the like, which the closure adds itself: `["console=ttyS0"]`. */
  readonly kernelParameters: readonly string[];
  /** Loaded by the running host. */
  readonly kernelModules: readonly string[];
  /** Loaded in the initrd, before the root device is looked for. */
  readonly initrdKernelModules: readonly string[];
  /** The filesystems that the initrd mounts below `/sysroot`, the root first. */
  readonly mounts: readonly BootMount[];
}

export interface BootMount {
  /** On the running host: `/`, `/nix`, `/persist`. */
  readonly mountpoint: string;
  /** `/dev/disk/by-label/root` */
  readonly device: string;
  readonly fsType: string;
  readonly options: readonly string[];
}
