/** What a host's kernel is told. */
import type { BootPlan } from "../../plan/boot.ts";

/**
 * The kernel command line of a plan, without the closure's own name: kernel-command-line(7) and
 * systemd-fstab-generator(8) read it.
 */
export function closureCommandLine(boot: BootPlan): string {
  const root = boot.mounts.find((mount) => mount.mountpoint === "/");
  const parameters =
    root === undefined
      ? []
      : [
          `root=${root.device}`,
          `rootfstype=${root.fsType}`,
          ...(root.options.length > 0 ? [`rootflags=${root.options.join(",")}`] : []),
          root.options.includes("ro") ? "ro" : "rw",
        ];
  return [...parameters, ...boot.kernelParameters].join(" ");
}

/** The whole command line of a generation. Apart from the closure's file, since no closure can hold its own digest. */
export function generationCommandLine(commandLine: string, storePath: string): string {
  return `${commandLine} nixfleet.closure=${storePath}`.trim();
}
