/** A disko layout of NixOS as one here: the names are the same, the defaults are not repeated. */
import {
  type Exported,
  type ExportedContent,
  type ExportedDisk,
  type ExportedPartition,
  type ExportedSwapFiles,
  parseDisk,
} from "./exported.ts";
import type { Value } from "./typescript.ts";

export interface Disks {
  /** For `disko.devices`; `null`: nothing of it is carried over. */
  readonly devices: Value | null;
  readonly lost: readonly string[];
}

/** What stands beside disks, and can be declared here too. */
const BESIDE: readonly string[] = ["lvm_vg", "mdadm"];

/** A layout of which a part would be missing is none. */
export function disksFrom({ disks, nodev, otherDevices }: Exported): Disks {
  const lost = otherDevices.map((name) =>
    BESIDE.includes(name)
      ? `disko.devices.${name}: the import carries over only plain partitions; paste your disko.devices as it stands`
      : `disko.devices.${name}: there is no such device here`,
  );
  const parsed = Object.entries(disks).map(([name, value]) => [name, parseDisk(value)] as const);
  for (const [name, disk] of parsed) {
    if (disk === null)
      lost.push(
        `disko.devices.disk.${name}: the import cannot carry its layout over; paste it as it stands, and nixfleet check says what cannot work`,
      );
  }
  if (parsed.length === 0)
    lost.push("there is no disko.devices: choose a disk template, such as diskoTemplates.btrfsImpermanence");
  if (lost.length > 0) return { devices: null, lost };
  const found = parsed.flatMap(([name, disk]) => (disk === null ? [] : [[name, diskFrom(disk)] as const]));
  const mounts = Object.entries(nodev).filter(([name, { fsType, mountpoint }]) => {
    const where = mountpoint ?? name;
    const isRoot = where === "/";
    const isKnown = fsType === "tmpfs" || fsType === "none";
    if (isRoot) lost.push(`the ${fsType} on /: here the root is the btrfs subvolume @root, which each boot replaces`);
    else if (!isKnown) lost.push(`the ${fsType} on ${where}: there is no such file system here`);
    return !isRoot && isKnown;
  });
  return {
    devices: {
      disk: Object.fromEntries(found),
      nodev:
        mounts.length === 0
          ? undefined
          : Object.fromEntries(
              mounts.map(([name, { fsType, device, mountOptions }]) => [
                name,
                { fsType, device: fsType === "none" ? device : undefined, mountOptions: options(mountOptions) },
              ]),
            ),
    },
    lost,
  };
}

function diskFrom({ device, content }: ExportedDisk): Value {
  const partitions = Object.entries(content.partitions).map(([name, partition]) => [name, partitionFrom(partition)]);
  return { device, content: { partitions: Object.fromEntries(partitions) } };
}

function partitionFrom(partition: ExportedPartition): Value {
  const { attributes, end, label, priority, size, start, type, uuid, content } = partition;
  // disko says of a size where it ends too.
  const ends = end != null && !end.startsWith("+") && end !== "-0";
  return {
    priority,
    type,
    label: label ?? undefined,
    uuid: uuid ?? undefined,
    start: start == null || start === "0" ? undefined : start,
    end: ends ? end : undefined,
    size: ends || size === "0" ? undefined : size,
    attributes: attributes.length === 0 ? undefined : attributes,
    content: content === null ? undefined : contentFrom(content),
  };
}

function contentFrom(content: ExportedContent): Value {
  switch (content.type) {
    case "filesystem": {
      const { type, format, mountpoint, mountOptions, extraArgs } = content;
      return {
        type,
        format,
        extraArgs: some(extraArgs),
        mountpoint: mountpoint ?? undefined,
        mountOptions: options(mountOptions),
      };
    }
    case "btrfs": {
      const { type, mountpoint, mountOptions, extraArgs, swap, subvolumes } = content;
      const volumes = Object.entries(subvolumes).map(([name, one]) => [
        name,
        {
          mountpoint: one.mountpoint ?? undefined,
          mountOptions: options(one.mountOptions),
          swap: swapFrom(one.swap),
        },
      ]);
      return {
        type,
        extraArgs: some(extraArgs),
        mountpoint: mountpoint ?? undefined,
        mountOptions: options(mountOptions),
        swap: swapFrom(swap),
        subvolumes: Object.fromEntries(volumes),
      };
    }
    case "swap": {
      const { type, discardPolicy, extraArgs, mountOptions, priority, randomEncryption, resumeDevice } = content;
      return {
        type,
        extraArgs: some(extraArgs),
        priority: priority ?? undefined,
        discardPolicy: discardPolicy ?? undefined,
        mountOptions: options(mountOptions),
        randomEncryption: randomEncryption || undefined,
        resumeDevice: resumeDevice || undefined,
      };
    }
    case "luks": {
      const { type, name, passwordFile, additionalKeyFiles, settings, extraFormatArgs, extraOpenArgs } = content;
      return {
        type,
        name,
        passwordFile: passwordFile ?? undefined,
        additionalKeyFiles: some(additionalKeyFiles),
        settings: settingsFrom(settings),
        extraFormatArgs: some(extraFormatArgs),
        extraOpenArgs: some(extraOpenArgs),
        content: content.content === null ? undefined : contentFrom(content.content),
      };
    }
  }
}

function settingsFrom(settings: Readonly<Record<string, unknown>>): Value {
  const known = Object.entries(settings).flatMap(([name, value]): [string, Value][] => {
    if (typeof value === "string" || typeof value === "number" || value === true) return [[name, value]];
    const list = Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
    return list.length === 0 ? [] : [[name, list]];
  });
  return known.length === 0 ? undefined : Object.fromEntries(known);
}

function swapFrom(swap: ExportedSwapFiles): Value {
  const files = Object.entries(swap).map(([name, { size, path, priority, options: said }]) => [
    name,
    { size, path: path === name ? undefined : path, priority: priority ?? undefined, options: options(said) },
  ]);
  return files.length === 0 ? undefined : Object.fromEntries(files);
}

function options(said: readonly string[]): Value {
  return some(said.filter((option) => option !== "defaults"));
}

function some(values: readonly string[]): Value {
  return values.length === 0 ? undefined : values;
}
