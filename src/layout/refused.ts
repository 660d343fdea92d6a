/** What disko knows and nixfleet cannot do: whoever writes it is told why, and what to write. */
import type { ProblemsError } from "../errors.ts";
import { problem, shown } from "../modules/errors.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { Option, OptionType } from "../modules/option.ts";
import { dotted, type Path } from "../modules/path.ts";
import type { Resolved } from "../modules/pending.ts";

export interface Refusal {
  readonly why: string;
  readonly instead: string;
}

/** An option that cannot be honoured. `harmless` are values that ask for nothing, such as a default of disko's. */
export function refusedOption({ why, instead }: Refusal, harmless: readonly unknown[] = []): Option<null> {
  const type: OptionType<null> = {
    description: "nothing",
    accepts: () => true,
    merge(definitions, { path }) {
      for (const definition of definitions) {
        const { value } = definition;
        if ([null, ...harmless].some((one) => JSON.stringify(one) === JSON.stringify(value))) continue;
        throw refusal(path, definition, { why, instead });
      }
      return null;
    },
  };
  return mkOption({ type, default: null, internal: true, description: why });
}

/** One of the values; of some others it is known why not. */
export function choice<V, S>(type: OptionType<V, S>, refusals: Readonly<Record<string, Refusal>>): OptionType<V, S> {
  return {
    ...type,
    merge(definitions, at) {
      for (const definition of definitions) {
        const { value } = definition;
        const known = typeof value === "string" && Object.hasOwn(refusals, value) ? refusals[value] : undefined;
        if (known !== undefined) throw refusal(at.path, definition, known);
      }
      return type.merge(definitions, at);
    },
  };
}

function refusal(path: Path, definition: Resolved, { why, instead }: Refusal): ProblemsError {
  return problem(`${dotted(path)} = ${shown(definition.value)}: ${why}`, [definition], instead);
}

const HOOK: Refusal = {
  why: "nixfleet does not run commands from a declaration on the machine that formats the disk",
  instead:
    "remove it; you need no blank snapshot, because nixfleet.impermanence.enable creates a fresh root at every boot",
};

/** Of every device type of disko's. */
export const refusedHooks = {
  preCreateHook: refusedOption(HOOK, [""]),
  postCreateHook: refusedOption(HOOK, [""]),
  preMountHook: refusedOption(HOOK, [""]),
  postMountHook: refusedOption(HOOK, [""]),
  preUnmountHook: refusedOption(HOOK, [""]),
  postUnmountHook: refusedOption(HOOK, [""]),
} as const;

const ZFS: Refusal = {
  why: "Debian's kernel has no ZFS, and an immutable closure cannot hold a module that the host compiles",
  instead:
    'use type: "btrfs" with a subvolume for each dataset, and a mount option such as "compress=zstd" for compression',
};
const BCACHEFS: Refusal = {
  why: "Debian has no bcachefs-tools",
  instead: 'use type: "btrfs", which has subvolumes and compression too',
};

/** Types of content that disko has besides. */
export const REFUSED_CONTENT: Readonly<Record<string, Refusal>> = {
  zfs: ZFS,
  bcachefs: BCACHEFS,
};

/** What belongs to those. */
export const refusedContentOptions = {
  pool: refusedOption(ZFS),
  filesystem: refusedOption(BCACHEFS),
} as const;

/** What disko declares beside `disk` in `disko.devices`. */
export const refusedDevices = {
  zpool: refusedOption(ZFS, [{}]),
  bcachefs_filesystems: refusedOption(BCACHEFS, [{}]),
} as const;

/** The device follows from where the content stands. */
export const refusedDevice = {
  device: refusedOption({
    why: "the partition already determines the device; another one could be the wrong disk",
    instead: "remove it, or declare that disk in disko.devices.disk",
  }),
} as const;
