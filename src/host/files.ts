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
  return [SWITCH, ...passwordFiles(plan), ...continuationFiles(plan), ...generationFiles(plan)];
}

function passwordFiles({ users }: HostPlan): FilePlan[] {
  const lines = users.users.flatMap(({ name, hashedPasswordFile }) =>
    hashedPasswordFile === null ? [] : [`${name}\t${hashedPasswordFile}`],
  );
  if (lines.length === 0) return [];
  return [
    textFile("/etc/nixfleet/password-files", lines),
    { kind: "text", path: "/etc/nixfleet/set-passwords.sh", text: script("set-passwords.sh"), mode: "0755" },
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

/** What a running host does to become what another closure declares. */
const SWITCH: FilePlan = {
  kind: "text",
  path: "/etc/nixfleet/switch.sh",
  text: script("switch.sh"),
  mode: "0755",
};

const NO_RELATIONS = {
  enable: true,
  requiredBy: [],
  after: [],
  wants: [],
  requires: [],
  environment: {},
  unitConfig: {},
} as const;

function script(name: string): string {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}
