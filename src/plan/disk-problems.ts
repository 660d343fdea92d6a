/** Whether a disk plan can be made at all: what can be said without looking at a device. */
import { arrayPlace } from "../layout/array.ts";
import { contentType, isUsedEarly, layers, ownLabels } from "../layout/content.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { volumeDevice } from "../layout/volume-group.ts";
import { dotted } from "../modules/path.ts";
import type { DiskPlan } from "./disk-plan.ts";
import { alike, type DiskProblem, layoutProblems } from "./layout-problems.ts";

/** Everything that is wrong with a plan; empty: nothing. @param kernel Debian's package of it */
export function diskProblems(plan: DiskPlan, { kernel }: { readonly kernel: string }): readonly DiskProblem[] {
  return [
    ...alike(plan.disks, ({ device }) => [device]).map(([device, disks]) => ({
      what: `two disks are on the device ${device}`,
      fix: "give each the name of its own: those in /dev/disk/by-id stay the same",
      subjects: disks.map(({ name }) => ({ disk: name })),
    })),
    ...plan.disks.flatMap(layoutProblems),
    ...plan.disks.flatMap(arrayProblems),
    ...acrossPartitions(plan),
    ...kernelProblems(plan, kernel),
  ];
}

/** Of the partition tables on arrays. */
function arrayProblems({ name: disk, partitions }: DiskLayout): DiskProblem[] {
  return partitions.flatMap(({ name: partition, content }) =>
    layers(content).flatMap((array) => {
      if (array.kind !== "array" || array.partitions.length === 0) return [];
      const { path, declaredAt } = arrayPlace(array);
      const own = layoutProblems({ name: array.name, device: path, imageSize: null, partitions: array.partitions });
      return own.map(({ what, fix, option = "", subjects }): DiskProblem => {
        const [inner] = subjects.flatMap((one) => (one.partition === undefined ? [] : [one.partition]));
        const at = inner === undefined ? path : dotted([...path.split("."), "content", "partitions", inner]);
        return { what, fix, option, at: { path: at, declaredAt }, subjects: [{ disk, partition }] };
      });
    }),
  );
}

/** Labels, mountpoints and names that may stand once only on a host. */
function acrossPartitions(plan: DiskPlan): DiskProblem[] {
  const found = plan.disks.flatMap(({ name: disk, partitions }) =>
    partitions.flatMap(({ name, content }) =>
      content === null ? [] : [{ subject: { disk, partition: name }, content, type: contentType(content) }],
    ),
  );
  const mountpoints = (one: (typeof found)[number]) =>
    one.type.filesystems(one.content).map(({ mountpoint }) => mountpoint);
  const labels = ({ content }: (typeof found)[number]) => ownLabels(content);
  const mappings = ({ content }: (typeof found)[number]) =>
    layers(content).flatMap((one) => {
      if (one.kind === "luks") return [one.name];
      if (one.kind === "group") {
        return one.volumes.map(({ name }) => volumeDevice(one.name, name).replace("/dev/mapper/", ""));
      }
      return one.kind === "swap" && one.randomEncryption !== null ? [one.randomEncryption.name] : [];
    });
  const twice = (
    values: (one: (typeof found)[number]) => readonly string[],
    what: (value: string) => string,
    fix: string,
  ) =>
    alike(found, values).map(([value, ones]) => ({ what: what(value), fix, subjects: ones.map((one) => one.subject) }));
  return [
    ...twice(
      labels,
      (it) => `two filesystems are labelled ${it}`,
      "label one otherwise, with label beside its type: the host finds them by that",
    ),
    ...twice(mountpoints, (it) => `two filesystems are mounted on ${it}`, "give one another mountpoint, or none"),
    ...nodevProblems(plan, new Set(found.flatMap(mountpoints))),
    ...twice(mappings, (it) => `two devices are opened as ${it}`, "give one another name"),
    ...found.flatMap(({ subject, content }) =>
      layers(content).some(
        (one) => one.kind === "luks" && one.settings.keyFile !== null && !one.enrollTpm2 && isUsedEarly(one),
      )
        ? [
            {
              option: content.kind === "luks" ? "content.settings.keyFile" : "content",
              what: "nothing opens this luks at boot, since its key file is elsewhere",
              fix: "write passwordFile instead: its text is the passphrase, which the host asks for at boot; or add enrollTpm2: true",
              subjects: [subject],
            },
          ]
        : [],
    ),
    ...found.flatMap((one) =>
      mountpoints(one)
        .filter((mountpoint) => CLOSURE_OWN.has(mountpoint))
        .map((mountpoint) => ({
          what: `${mountpoint} cannot be a filesystem of its own: ${CLOSURE_OWN.get(mountpoint)}`,
          fix: "remove the mountpoint, or mount it elsewhere",
          subjects: [one.subject],
        })),
    ),
    ...(found.some((one) => mountpoints(one).includes("/")) || plan.nodev.some(({ mountpoint }) => mountpoint === "/")
      ? []
      : [
          {
            what: "no filesystem is mounted on /",
            fix: 'give a subvolume or an ext4 filesystem mountpoint: "/"',
            subjects: plan.disks.map(({ name }) => ({ disk: name })),
          },
        ]),
  ];
}

function nodevProblems({ nodev }: DiskPlan, onDisks: ReadonlySet<string>): DiskProblem[] {
  return nodev.flatMap(({ mountpoint, fsType, device, mountOptions, declaredAt }) => {
    const about = (what: string, fix: string) => ({
      what: `disko.devices.nodev.${JSON.stringify(mountpoint)}: ${what}`,
      ...{ fix, subjects: [], declaredAt },
    });
    if (mountpoint === "/") {
      return [
        about(
          "the root is on a disk here",
          'for one that is fresh at every boot, mount a btrfs subvolume "@root" at / and enable nixfleet.impermanence',
        ),
      ];
    }
    const own = CLOSURE_OWN.get(mountpoint);
    return [
      ...(own === undefined ? [] : [about(`it cannot be a filesystem of its own: ${own}`, "remove it")]),
      ...(onDisks.has(mountpoint) ? [about("a filesystem of a disk is mounted there too", "remove one of them")] : []),
      ...(fsType === "none" && !(mountOptions.includes("bind") && device.startsWith("/"))
        ? [about("a filesystem of type none is a bind", 'add device: "/the/folder" and mountOptions: ["bind"]')]
        : []),
    ];
  });
}

/** Debian's kernel for clouds lacks what no cloud's disk is formatted with. */
function kernelProblems({ disks }: DiskPlan, kernel: string): DiskProblem[] {
  if (!kernel.includes("cloud")) return [];
  return disks.flatMap(({ name: disk, partitions }) =>
    partitions.flatMap(({ name: partition, content }) => {
      if (!layers(content).some((one) => one.kind === "filesystem" && one.format === "f2fs")) return [];
      return [
        {
          option: "content.format",
          what: `the kernel ${kernel} has no f2fs`,
          fix: `write boot.kernelPackage: "${kernel.replace("cloud-", "")}", or format: "ext4"`,
          subjects: [{ disk, partition }],
        },
      ];
    }),
  );
}

const CLOSURE = "it comes with the closure, read-only";
const KERNEL = "it is the kernel's";

/** Mountpoints that would hide what the host boots from, each with the reason. */
const CLOSURE_OWN: ReadonlyMap<string, string> = new Map([
  ...["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store"].map((path) => [path, CLOSURE] as const),
  ["/etc", "every boot creates it from the declaration"],
  ...["/proc", "/sys", "/dev", "/run"].map((path) => [path, KERNEL] as const),
]);
