/** What nix/export.nix says of a NixOS host. */
import { z } from "zod";
import { UserError } from "../../errors.ts";

const strings = z.array(z.string());
const optionalStrings = strings.default([]);

const owned = { user: z.string().optional(), group: z.string().nullish(), mode: z.string().optional() };

const entry = z.object({
  ...owned,
  path: z.string(),
  how: z.enum(["auto", "bind", "symlink"]).default("auto"),
  parent: z.object(owned).default({}),
  mountOptions: optionalStrings,
});

const swapFiles = z.record(
  z.string(),
  z.object({ size: z.string(), path: z.string().optional(), priority: z.number().nullish(), options: optionalStrings }),
);
const mounted = { mountpoint: z.string().nullish(), mountOptions: optionalStrings };
const plain = [
  z.object({ type: z.literal("filesystem"), ...mounted, format: z.string(), extraArgs: optionalStrings }),
  z.object({
    type: z.literal("btrfs"),
    ...mounted,
    extraArgs: optionalStrings,
    swap: swapFiles.default({}),
    subvolumes: z.record(z.string(), z.object({ ...mounted, swap: swapFiles.default({}) })),
  }),
  z.object({
    type: z.literal("swap"),
    discardPolicy: z.string().nullish(),
    extraArgs: optionalStrings,
    mountOptions: optionalStrings,
    priority: z.number().nullish(),
    randomEncryption: z.boolean().default(false),
    resumeDevice: z.boolean().default(false),
  }),
] as const;
const luks = z.object({
  type: z.literal("luks"),
  name: z.string(),
  additionalKeyFiles: optionalStrings,
  extraFormatArgs: optionalStrings,
  extraOpenArgs: optionalStrings,
  passwordFile: z.string().nullish(),
  settings: z.record(z.string(), z.unknown()),
  content: z.union([...plain, z.null()]),
});
const partition = z.object({
  attributes: z.array(z.number()).default([]),
  end: z.string().nullish(),
  label: z.string().nullish(),
  priority: z.number(),
  size: z.string().optional(),
  start: z.string().nullish(),
  type: z.string(),
  uuid: z.string().nullish(),
  content: z.union([...plain, luks, z.null()]),
});
const disk = z.object({
  device: z.string(),
  content: z.object({ type: z.literal("gpt"), partitions: z.record(z.string(), partition) }),
});

const exported = z.object({
  version: z.literal(1),
  hostName: z.string(),
  platform: z.string(),
  timeZone: z.string().nullable(),
  locale: z.string(),
  keyMap: z.string().nullable(),
  users: z.record(
    z.string(),
    z.object({
      description: z.string().default(""),
      extraGroups: optionalStrings,
      group: z.string(),
      hashedPasswordFile: z.string().nullish(),
      home: z.string(),
      uid: z.number().nullable(),
      shell: z.string().nullable(),
      keys: strings,
    }),
  ),
  groups: z.record(z.string(), z.object({ gid: z.number().nullish() })),
  /** Read one by one: what of them is not as here is said, and the rest is carried over. */
  disks: z.record(z.string(), z.unknown()),
  nodev: z.record(
    z.string(),
    z.object({
      fsType: z.string(),
      device: z.string().optional(),
      mountpoint: z.string().nullish(),
      mountOptions: optionalStrings,
    }),
  ),
  otherDevices: strings,
  persistence: z.array(z.object({ path: z.string(), directories: z.array(entry), files: z.array(entry) })),
  services: strings,
  programs: strings,
  virtualisation: strings,
  networkmanager: z.boolean(),
  bluetooth: z.boolean(),
});

export type Exported = z.infer<typeof exported>;
export type ExportedEntry = z.infer<typeof entry>;
export type ExportedDisk = z.infer<typeof disk>;
export type ExportedPartition = z.infer<typeof partition>;
export type ExportedContent = NonNullable<ExportedPartition["content"]>;
export type ExportedSwapFiles = z.infer<typeof swapFiles>;

/** @throws UserError for what that expression has not written */
export function parseExported(text: string, file: string): Exported {
  const parsed = exported.safeParse(json(text));
  if (parsed.success) return parsed.data;
  throw new UserError(`${file} is not what nix/export.nix writes`, [
    ...parsed.error.issues.slice(0, 5).map(({ path, message }) => `${path.join(".") || "all of it"}: ${message}`),
    "its first lines say how to run it",
  ]);
}

/** `null`: a disk that is laid out in a way that there is not here. */
export function parseDisk(value: unknown): ExportedDisk | null {
  return disk.safeParse(value).data ?? null;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
