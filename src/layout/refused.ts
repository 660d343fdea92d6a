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

/**
 * An option that cannot be honoured.
 * @param harmless values that ask for nothing, such as a default of disko's, or what tells them
 */
export function refusedOption(
  { why, instead }: Refusal,
  harmless: readonly unknown[] | ((value: unknown) => boolean) = [],
): Option<null> {
  const isHarmless =
    typeof harmless === "function"
      ? harmless
      : (value: unknown) => harmless.some((one) => JSON.stringify(one) === JSON.stringify(value));
  const type: OptionType<null> = {
    description: "nothing",
    accepts: () => true,
    merge(definitions, { path }) {
      for (const definition of definitions) {
        const { value } = definition;
        if (value === null || isHarmless(value)) continue;
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
  postCreateHook: refusedOption(HOOK, (value) => typeof value === "string" && (value === "" || isBlankSnapshot(value))),
  preMountHook: refusedOption(HOOK, [""]),
  postMountHook: refusedOption(HOOK, [""]),
  preUnmountHook: refusedOption(HOOK, [""]),
  postUnmountHook: refusedOption(HOOK, [""]),
} as const;

/**
 * Whether commands do no more than take a snapshot of an empty subvolume, to boot from a copy of it each time: here the initrd
 * makes a fresh root by itself.
 */
function isBlankSnapshot(commands: string): boolean {
  const lines = commands.split("\n").map((line) => line.trim());
  return lines.some((line) => SNAPSHOT.test(line)) && lines.every((line) => SNAPSHOT.test(line) || AROUND.test(line));
}

const PLAIN_WORDS = String.raw`( ["\w$@{}/.=,:-]+)+`;
const SNAPSHOT = new RegExp(`^btrfs subvolume snapshot -r${PLAIN_WORDS}$`);
const AROUND = new RegExp(
  String.raw`^(#.*|set [-+\w]+( pipefail)?|\w+="?\$\(mktemp -d\)"?|(mount|umount|mkdir|rmdir)${PLAIN_WORDS}|trap '(umount|rm)${PLAIN_WORDS}(; ?rm${PLAIN_WORDS})?;?' EXIT|)$`,
);

const ZFS: Refusal = {
  why: "Debian's kernel has no ZFS, and an immutable closure cannot hold a module that the host compiles",
  instead:
    'use type: "btrfs" with a subvolume for each dataset, and a mount option such as "compress=zstd" for compression',
};
const BCACHEFS: Refusal = {
  why: "Debian has no bcachefs-tools",
  instead: 'use type: "btrfs", which has subvolumes and compression too',
};

const BCACHE: Refusal = {
  why: "nixfleet does not put one disk before another as a cache",
  instead: "put the filesystem on the slow disk, and what has to be fast, such as /nix, on the other",
};

/** Types of content that disko has besides. */
export const REFUSED_CONTENT: Readonly<Record<string, Refusal>> = {
  zfs: ZFS,
  bcachefs: BCACHEFS,
  bcachefs_member: BCACHEFS,
  bcache_backing: BCACHE,
  bcache_cache: BCACHE,
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
  bcache: refusedOption(BCACHE, [{}]),
} as const;

/** The device follows from where the content stands. */
export const refusedDevice = {
  device: refusedOption({
    why: "the partition already determines the device; another one could be the wrong disk",
    instead: "remove it, or declare that disk in disko.devices.disk",
  }),
} as const;
