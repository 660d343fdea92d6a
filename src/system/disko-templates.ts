/** Disk layouts to start from. */
import { defineModule } from "./options.ts";

export interface TemplateOptions {
  /** The disk, such as /dev/vda. */
  readonly disk: string;
  /** The size of the EFI system partition; 512M unless said. */
  readonly espSize?: string;
}

/** A btrfs layout for an ephemeral root: `@root`, `@persist` and `@nix`. */
export function btrfsImpermanence(options: TemplateOptions) {
  return template(options, {
    "@root": { mountpoint: "/", mountOptions: ["noatime"] },
    "@persist": { mountpoint: "/persist", mountOptions: ["noatime"], neededForBoot: true },
    "@nix": { mountpoint: "/nix", mountOptions: ["noatime"] },
  });
}

/** A btrfs layout whose root stays: `@root`, `@home` and `@nix`. */
export function btrfs(options: TemplateOptions) {
  return template(options, {
    "@root": { mountpoint: "/", mountOptions: ["noatime"] },
    "@home": { mountpoint: "/home", mountOptions: ["noatime"], neededForBoot: true },
    "@nix": { mountpoint: "/nix", mountOptions: ["noatime"] },
  });
}

interface Subvolume {
  readonly mountpoint: string;
  readonly mountOptions: readonly string[];
  readonly neededForBoot?: boolean;
}

function template({ disk, espSize = "512M" }: TemplateOptions, subvolumes: Readonly<Record<string, Subvolume>>) {
  return defineModule({
    config: {
      disko: {
        devices: {
          disk: {
            main: {
              device: disk,
              content: {
                partitions: {
                  ESP: {
                    size: espSize,
                    type: "EF00",
                    content: {
                      type: "filesystem",
                      format: "vfat",
                      label: "ESP",
                      mountpoint: "/boot",
                      mountOptions: ["umask=0077"],
                    },
                  },
                  root: { size: "100%", content: { type: "btrfs", label: "root", subvolumes } },
                },
              },
            },
          },
        },
      },
    },
  });
}
