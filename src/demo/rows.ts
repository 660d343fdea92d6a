/** The files that the demonstration writes, and what it sees of them after the power cut. */
import type { RunOnGuest } from "../vm/ssh.ts";

export interface Row {
  readonly path: string;
  readonly declared: boolean;
  readonly expected: Outcome;
  readonly seen: Outcome | "changed";
}

type Outcome = "survived" | "gone" | "kept aside";

/** In the system, in a home, in a service's state: of each kind what is declared and what is not. */
const PATHS = [
  "/etc/nixos/note",
  "/etc/forgotten",
  "/home/alice/notes/todo",
  "/home/alice/.keys/id",
  "/home/alice/forgotten",
  "/var/lib/boot-counter/note",
  "/var/lib/forgotten/state",
  "/root/forgotten",
  "/opt/forgotten",
];

/** Files that are there by themselves, and must be the same after the boot. */
const IDENTITY = ["/etc/machine-id", "/etc/ssh/host-keys/ssh_host_ed25519_key.pub"];

const TEXT = "written before the power cut";
const BEFORE = "/etc/nixos/before";

/** Run on the first boot. */
export function writeScript(): string {
  return [
    "set -eu",
    ...PATHS.map((path) => `mkdir -p "$(dirname '${path}')" && echo '${TEXT}' > '${path}'`),
    `cat ${IDENTITY.join(" ")} > ${BEFORE}`,
    "sync",
  ].join("\n");
}

/** Run on the second boot. What is gone is looked for among the old roots too, where it is kept for a while. */
export async function rows(ssh: RunOnGuest, isDeclared: (path: string) => boolean): Promise<readonly Row[]> {
  const found = await ssh(PATHS.map((path) => `cat '${path}' 2>/dev/null || echo; `).join(""));
  const files = found
    .split("\n")
    .slice(0, PATHS.length)
    .map((text, i) => row(PATHS[i] ?? "", text, TEXT, isDeclared));
  const before = (await ssh(`cat ${BEFORE}`)).trim().split("\n");
  const now = (await ssh(`cat ${IDENTITY.join(" ")}`)).trim().split("\n");
  const identity = IDENTITY.map((path, i) => row(path, now[i] ?? "", before[i] ?? "missing", isDeclared));
  const old = await ssh(
    "mount -o subvolid=5 /dev/disk/by-label/root /mnt && cat /mnt/old_roots/*/etc/forgotten; umount /mnt",
  );
  return [
    ...files,
    ...identity,
    {
      path: "old_roots/<time>/etc/forgotten",
      declared: false,
      expected: "kept aside",
      seen: old.trim() === TEXT ? "kept aside" : "gone",
    },
  ];
}

function row(path: string, text: string, wanted: string, isDeclared: (path: string) => boolean): Row {
  const declared = isDeclared(path);
  const seen = text === wanted ? "survived" : text === "" ? "gone" : "changed";
  return { path, declared, expected: declared ? "survived" : "gone", seen };
}
