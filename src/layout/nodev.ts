/** Filesystems without a disk: `tmpfs`, and folders that are seen at a second place. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { mountOptionsOf } from "./filesystem.ts";
import { choice, refusedHooks } from "./refused.ts";

export interface NodevFilesystem {
  readonly mountpoint: string;
  readonly fsType: "tmpfs" | "none";
  /** A folder of the host, for a bind; else `tmpfs`. */
  readonly device: string;
  readonly mountOptions: readonly string[];
  readonly declaredAt: readonly string[];
}

const NETWORK = {
  why: "it is a network filesystem",
  instead: "declare a mount unit in systemd.units, or add a package that mounts it",
};

export const nodevOption = mkOption({
  type: attrsOf(
    submodule({
      type: mkOption({ type: types.enum(["nodev"]), default: "nodev", internal: true }),
      fsType: mkOption({
        type: choice(types.enum(["tmpfs", "none"]), {
          nfs: NETWORK,
          nfs4: NETWORK,
          cifs: NETWORK,
          overlay: {
            why: "nixfleet does not set up overlays",
            instead: "persist the folder instead, with environment.persistence",
          },
          ramfs: { why: "a ramfs grows until the host has no memory left", instead: 'write fsType: "tmpfs"' },
          bind: { why: "bind is a mount option", instead: 'write fsType: "none" and mountOptions: ["bind"]' },
        }),
        description: "`tmpfs`, or `none` with the mount option `bind` to show the folder `device` here too.",
      }),
      device: mkOption({ type: types.str, default: "none", description: "The folder to show, for a bind mount." }),
      mountpoint: mkOption({
        type: types.nullOr(types.absolutePath),
        default: ({ name }) => name,
        defaultText: "its name",
        description: "Where it is mounted. null: nowhere.",
      }),
      mountOptions: mkOption({
        type: listOf(types.strMatching(/[^\s]+/, "mount options, without spaces")),
        default: [],
        example: ["size=2G", "mode=1777"],
        description: "Options of mount(8).",
      }),
      ...refusedHooks,
      declaredAt: mkOption({
        type: listOf(types.str),
        internal: true,
        default: ({ places }) => places.map((place) => place.text),
      }),
    }),
  ),
  default: {},
  example: { "/tmp": { fsType: "tmpfs", mountOptions: ["size=2G", "mode=1777"] } },
  description: "Filesystems without a disk, by mountpoint. The host mounts them, not the initrd.",
});

export function nodevFilesystems(declared: ConfigOf<typeof nodevOption>): readonly NodevFilesystem[] {
  return Object.values(declared).flatMap(({ mountpoint, fsType, device, mountOptions, declaredAt }) => {
    if (mountpoint === null) return [];
    const options = mountOptionsOf(mountOptions);
    return [{ mountpoint, fsType, device: fsType === "none" ? device : fsType, mountOptions: options, declaredAt }];
  });
}
