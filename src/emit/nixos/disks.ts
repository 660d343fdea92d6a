/** The disks, for disko: its names and nesting are ours. */
import { UserError } from "../../errors.ts";
import type { ArrayContent } from "../../layout/array.ts";
import { type Content, isUsedEarly, layers } from "../../layout/content.ts";
import type { MountedFilesystem, PartitionRef } from "../../layout/content-type.ts";
import { BOOTABLE, type DiskLayout, type PartitionLayout } from "../../layout/gpt.ts";
import { crypttabLine, type LuksContent } from "../../layout/luks.ts";
import type { MemberContent } from "../../layout/member.ts";
import { partitionGuid } from "../../layout/partition-types.ts";
import { MIB } from "../../layout/size.ts";
import type { SwapFile } from "../../layout/swap-file.ts";
import type { VolumeGroupContent } from "../../layout/volume-group.ts";
import { type DiskPlan, encryptedContents, mountedFilesystems } from "../../plan/disk-plan.ts";
import type { NixSet } from "../../scopes/on-nixos.ts";
import type { Part } from "./part.ts";

/** @throws UserError for a partition whose size disko cannot say */
export function disksPart(plan: DiskPlan): Part {
  refuseShares(plan);
  const early = mountedFilesystems(plan).filter(isNamedEarly);
  const deviceOf = (ref: PartitionRef) => memberDevice(plan, ref);
  const late = encryptedContents(plan).flatMap(({ luks, early }) =>
    early || luks.settings.keyFile === null ? [] : [crypttabLine(luks, luks.settings.keyFile, [])],
  );
  return {
    options: {
      // What a file on the host opens, the initrd cannot.
      ...(late.length === 0
        ? {}
        : { environment: { etc: { crypttab: { text: late.map((line) => `${line}\n`).join("") } } } }),
      disko: {
        devices: {
          disk: Object.fromEntries(plan.disks.map((disk) => [disk.name, diskOf(plan, disk, deviceOf)])),
          ...volumesOf(plan, deviceOf),
          ...(plan.nodev.length === 0
            ? {}
            : {
                nodev: Object.fromEntries(
                  plan.nodev.map(({ mountpoint, fsType, device, mountOptions }) => [
                    mountpoint,
                    { fsType, ...(fsType === "none" ? { device } : {}), ...listed("mountOptions", mountOptions) },
                  ]),
                ),
              }),
        },
      },
      ...(early.length === 0
        ? {}
        : { fileSystems: Object.fromEntries(early.map(({ mountpoint }) => [mountpoint, { neededForBoot: true }])) }),
    },
    lost: plan.disks.flatMap(({ partitions }) => partitions.flatMap(({ content }) => layers(content).flatMap(lostOf))),
  };
}

function refuseShares({ disks }: DiskPlan): void {
  const tables = disks.flatMap(({ name, partitions }) => [
    { of: `the disk ${name}`, partitions },
    ...partitions.flatMap(({ content }) =>
      layers(content).flatMap((one) =>
        one.kind === "array" ? [{ of: `the array ${one.name}`, partitions: one.partitions }] : [],
      ),
    ),
  ]);
  for (const { of, partitions } of tables) {
    const shared = partitions.find(({ share }) => share !== undefined);
    if (shared === undefined) continue;
    throw new UserError(
      `disko cannot make the partition ${shared.name} of ${of}: it takes no part of a disk in percent`,
      ['write its size and that of the partitions after it in M or G; only the last can have "100%", the rest'],
    );
  }
}

/** NixOS mounts these two early by itself. */
function isNamedEarly({ mountpoint, neededForBoot }: MountedFilesystem): boolean {
  return neededForBoot && mountpoint !== "/" && mountpoint !== "/nix";
}

function lostOf(content: Content): string[] {
  if (content.kind !== "luks" || !content.enrollTpm2) return [];
  return [
    `the TPM opens ${content.name} only once you have run: systemd-cryptenroll --tpm2-device=auto --tpm2-pcrs=${content.tpm2Pcrs.join("+")} DEVICE`,
  ];
}

type DeviceOf = (ref: PartitionRef) => string;

function diskOf(plan: DiskPlan, { device, imageSize, table, partitions }: DiskLayout, deviceOf: DeviceOf): NixSet {
  return {
    type: "disk",
    device,
    ...(imageSize === null ? {} : { imageSize: sizeText(imageSize) }),
    content: table === "dos" ? mbrOf(partitions, deviceOf) : tableOf(plan, partitions, deviceOf),
  };
}

function mbrOf(partitions: readonly PartitionLayout[], deviceOf: DeviceOf): NixSet {
  let end = MIB;
  const list = partitions.map(({ name, type, start, size, leaves, attributes, content }) => {
    const from = start ?? end;
    end = from + (size ?? 0);
    return {
      ...{ name, start: `${from / MIB}MiB` },
      end: size !== null ? `${end / MIB}MiB` : leaves > 0 ? `-${leaves / MIB}MiB` : "100%",
      ...(attributes.includes(BOOTABLE) ? { bootable: true } : {}),
      ...(type === "esp" ? { flags: ["esp"] } : {}),
      ...holding(content, deviceOf),
    };
  });
  return { type: "table", format: "msdos", partitions: list };
}

function tableOf(plan: DiskPlan, partitions: readonly PartitionLayout[], deviceOf: DeviceOf): NixSet {
  return {
    type: "gpt",
    // Names do not say which comes first.
    partitions: Object.fromEntries(
      partitions.map((partition, index) => [
        partition.name,
        {
          priority: index + 1,
          // As nixfleet writes it, where no other has the same: so a disk that it has formatted is found too.
          ...(isAlone(plan, partition.name) ? { label: partition.name } : {}),
          ...partitionOf(partition, deviceOf),
        },
      ]),
    ),
  };
}

/** What stands beside the disks. */
function volumesOf(plan: DiskPlan, deviceOf: DeviceOf): NixSet {
  const contents = plan.disks.flatMap(({ partitions }) => partitions.flatMap(({ content }) => layers(content)));
  const arrays = contents.flatMap((one): [string, NixSet][] =>
    one.kind === "array" ? [[one.name, arrayOf(plan, one, deviceOf)]] : [],
  );
  const groups = contents.flatMap((one): [string, NixSet][] =>
    one.kind === "group" ? [[one.name, groupOf(one, deviceOf)]] : [],
  );
  return {
    ...(arrays.length === 0 ? {} : { mdadm: Object.fromEntries(arrays) }),
    ...(groups.length === 0 ? {} : { lvm_vg: Object.fromEntries(groups) }),
  };
}

function arrayOf(
  plan: DiskPlan,
  { level, metadata, extraArgs, content, partitions }: ArrayContent<Content>,
  deviceOf: DeviceOf,
): NixSet {
  return {
    ...{ type: "mdadm", level, metadata, ...listed("extraArgs", extraArgs) },
    ...(partitions.length === 0 ? holding(content, deviceOf) : { content: tableOf(plan, partitions, deviceOf) }),
  };
}

function groupOf({ volumes }: VolumeGroupContent<Content>, deviceOf: DeviceOf): NixSet {
  const lvs = volumes.map((volume, index): [string, NixSet] => [
    volume.name,
    {
      ...{ size: volume.size, priority: index + 1 },
      ...(volume.type === null ? {} : { lvm_type: volume.type }),
      ...(volume.pool === null ? {} : { pool: volume.pool }),
      ...listed("extraArgs", volume.extraArgs),
      ...holding(volume.content, deviceOf),
    },
  ]);
  return { type: "lvm_vg", lvs: Object.fromEntries(lvs) };
}

function isAlone({ disks }: DiskPlan, name: string): boolean {
  return disks.flatMap(({ partitions }) => partitions).filter((partition) => partition.name === name).length === 1;
}

/** As disko calls it: the partition, or what a luks in it is opened as. */
function memberDevice(plan: DiskPlan, ref: PartitionRef): string {
  const disk = plan.disks.find(({ name }) => name === ref.disk);
  const partition = disk?.partitions.find(({ name }) => name === ref.partition);
  if (partition?.content?.kind === "luks") return `/dev/mapper/${partition.content.name}`;
  if (partition !== undefined && partition.uuid !== null) return `/dev/disk/by-partuuid/${partition.uuid}`;
  const label = isAlone(plan, ref.partition) ? ref.partition : `disk-${ref.disk}-${ref.partition}`;
  return `/dev/disk/by-partlabel/${label}`;
}

function partitionOf(partition: PartitionLayout, deviceOf: DeviceOf): NixSet {
  const { type, start, size, leaves, uuid, attributes, content } = partition;
  return {
    type: CODES.get(type) ?? partitionGuid(type),
    ...(uuid === null ? {} : { uuid }),
    ...(start === null ? {} : { start: sizeText(start) }),
    ...(leaves > 0 ? { end: `-${sizeText(leaves)}` } : { size: size === null ? "100%" : sizeText(size) }),
    ...(attributes.length === 0 ? {} : { attributes }),
    ...holding(content, deviceOf),
  };
}

/** Of a further device of a filesystem that one says where it is declared. */
function holding(content: Content | null, deviceOf: DeviceOf): NixSet {
  if (content === null) return {};
  if (content.kind !== "member") return { content: contentOf(content, deviceOf) };
  return content.part === null ? {} : { content: contentOf(content.part, deviceOf) };
}

const CODES = new Map([
  ["esp", "EF00"],
  ["bios-boot", "EF02"],
  ["swap", "8200"],
  ["linux", "8300"],
]);

function contentOf(content: Exclude<Content, MemberContent>, deviceOf: DeviceOf): NixSet {
  switch (content.kind) {
    case "array":
      return { type: "mdraid", name: content.name };
    case "group":
      return { type: "lvm_pv", vg: content.name };
    case "part":
      return content.of === "mdadm" ? { type: "mdraid", name: content.name } : { type: "lvm_pv", vg: content.name };
    case "filesystem": {
      const { format, label, mountpoint, mountOptions, extraArgs } = content;
      return {
        ...{ type: "filesystem", format },
        extraArgs: [...extraArgs, LABEL_FLAGS[format] ?? "-L", label],
        ...mounting(mountpoint, mountOptions),
      };
    }
    case "btrfs": {
      const { label, mountpoint, mountOptions, swap, subvolumes, extraArgs, members } = content;
      return {
        type: "btrfs",
        extraArgs: [...extraArgs, "-L", label, ...members.map(deviceOf)],
        ...mounting(mountpoint, mountOptions),
        ...swapFilesOf(swap),
        subvolumes: Object.fromEntries(
          subvolumes.map((one) => [
            one.name,
            { ...mounting(one.mountpoint, one.mountOptions), ...swapFilesOf(one.swap) },
          ]),
        ),
      };
    }
    case "swap": {
      const { label, priority, discardPolicy, resumeDevice, mountOptions, extraArgs, randomEncryption } = content;
      return {
        type: "swap",
        ...(randomEncryption === null ? { extraArgs: [...extraArgs, "-L", label] } : { randomEncryption: true }),
        ...(priority === null ? {} : { priority }),
        ...(discardPolicy === null ? {} : { discardPolicy }),
        ...(resumeDevice ? { resumeDevice } : {}),
        ...listed("mountOptions", mountOptions),
      };
    }
    case "luks":
      return luksOf(content, deviceOf);
  }
}

const LABEL_FLAGS: Readonly<Record<string, string>> = { vfat: "-n", f2fs: "-l" };

function luksOf(luks: LuksContent<Content>, deviceOf: DeviceOf): NixSet {
  const { label, name, passwordFile, additionalKeyFiles, settings, extraFormatArgs, extraOpenArgs, content } = luks;
  const { keyFile, keyFileSize, keyFileOffset, allowDiscards, bypassWorkqueues, crypttabExtraOpts } = settings;
  const crypttab = [...(luks.enrollTpm2 ? ["tpm2-device=auto"] : []), ...crypttabExtraOpts];
  const inner: NixSet = {
    ...(keyFile === null ? {} : { keyFile }),
    ...(keyFileSize === null ? {} : { keyFileSize }),
    ...(keyFileOffset === null ? {} : { keyFileOffset }),
    ...(allowDiscards ? { allowDiscards } : {}),
    ...(bypassWorkqueues ? { bypassWorkqueues } : {}),
    ...listed("crypttabExtraOpts", crypttab),
  };
  return {
    ...{ type: "luks", name },
    ...(passwordFile === null ? {} : { passwordFile }),
    ...listed("additionalKeyFiles", additionalKeyFiles),
    ...(Object.keys(inner).length === 0 ? {} : { settings: inner }),
    ...(keyFile === null || isUsedEarly(luks) ? {} : { initrdUnlock: false }),
    extraFormatArgs: [...extraFormatArgs, "--label", label],
    ...listed("extraOpenArgs", extraOpenArgs),
    ...holding(content, deviceOf),
  };
}

function mounting(mountpoint: string | null, mountOptions: readonly string[]): NixSet {
  return { ...(mountpoint === null ? {} : { mountpoint }), ...listed("mountOptions", mountOptions) };
}

function swapFilesOf(files: readonly SwapFile[]): NixSet {
  if (files.length === 0) return {};
  const swap = files.map(({ path, size, priority, options }) => [
    path,
    { size: sizeText(size), ...(priority === null ? {} : { priority }), ...listed("options", options) },
  ]);
  return { swap: Object.fromEntries(swap) };
}

function listed(name: string, values: readonly string[]): NixSet {
  return values.length === 0 ? {} : { [name]: values };
}

/** In the largest unit that says it whole: `1536M`. */
function sizeText(bytes: number): string {
  const unit = ["T", "G", "M", "K"].findIndex((_, index) => bytes % 1024 ** (4 - index) === 0);
  return unit < 0 ? String(bytes) : `${bytes / 1024 ** (4 - unit)}${"TGMK"[unit] ?? ""}`;
}
