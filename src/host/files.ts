/** What the running host needs of NixFleet's own: scripts and the units that run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { continuationFiles } from "../initrd/files.ts";
import { type FilePlan, textFile } from "../plan/files.ts";
import type { HostPlan } from "../plan/host.ts";
import { unitFiles } from "../plan/units.ts";
import { generationFiles } from "./generations.ts";

/** Files of the pristine root, besides those of the declaration. */
export function hostFiles(plan: HostPlan): readonly FilePlan[] {
  return [
    ...commandFiles(),
    scriptFile("switch.sh"),
    ...passwordFiles(plan),
    ...continuationFiles(plan),
    ...generationFiles(plan),
  ];
}

/** `nixfleet COMMAND` on the host; customize.sh in src/closure makes the link by which it is found. */
function commandFiles(): FilePlan[] {
  return [
    { ...scriptFile("nixfleet.sh"), path: "/etc/nixfleet/nixfleet" },
    scriptFile("status.sh"),
    scriptFile("announce.sh"),
    ...unitFiles({
      services: {
        "nixfleet-status": {
          ...NO_RELATIONS,
          description: "Say when this boot is not as declared",
          wantedBy: ["multi-user.target"],
          before: ["systemd-user-sessions.service"],
          serviceConfig: {
            Type: "oneshot",
            RemainAfterExit: true,
            ExecStart: "/bin/sh /etc/nixfleet/announce.sh",
            StandardOutput: "journal+console",
          },
        },
      },
      units: {},
    }),
  ];
}

function passwordFiles({ users }: HostPlan): FilePlan[] {
  const lines = users.users.flatMap(({ name, hashedPasswordFile }) =>
    hashedPasswordFile === null ? [] : [`${name}\t${hashedPasswordFile}`],
  );
  if (lines.length === 0) return [];
  return [
    textFile("/etc/nixfleet/password-files", lines),
    scriptFile("set-passwords.sh"),
    ...unitFiles({
      services: {
        "nixfleet-passwords": {
          ...NO_RELATIONS,
          description: "Give accounts the passwords kept on the persist root",
          wantedBy: ["multi-user.target"],
          before: ["systemd-user-sessions.service", "ssh.service"],
          serviceConfig: {
            Type: "oneshot",
            RemainAfterExit: true,
            ExecStart: "/bin/sh /etc/nixfleet/set-passwords.sh",
          },
        },
      },
      units: {},
    }),
  ];
}

const NO_RELATIONS = {
  enable: true,
  requiredBy: [],
  after: [],
  wants: [],
  requires: [],
  environment: {},
  unitConfig: {},
} as const;

function scriptFile(name: string): FilePlan {
  const text = readFileSync(join(import.meta.dirname, name), "utf8");
  return { kind: "text", path: `/etc/nixfleet/${name}`, text, mode: "0755" };
}
