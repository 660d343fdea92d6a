/** What the running host needs of NixFleet's own: scripts and the units that run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FilePlan, symlink, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { unitFiles } from "../../plan/units.ts";
import { auditFiles } from "../audit/files.ts";
import { continuationFiles } from "../initrd/files.ts";
import { generationFiles } from "./generations.ts";

/** Files of the pristine root, besides those of the declaration. */
export function hostFiles(plan: HostPlan): readonly FilePlan[] {
  return [
    ...commandFiles(),
    ...SWITCH_SCRIPTS.map(scriptFile),
    ...secretFiles(),
    ...passwordFiles(plan),
    ...aptFiles(),
    ...fleetFiles(plan),
    ...UP_TO_DATE,
    ...continuationFiles(plan),
    ...generationFiles(plan),
    ...auditFiles(plan),
  ];
}

const SWITCH_SCRIPTS = [
  "switch.sh",
  "switch-end.sh",
  "switch-entries.sh",
  "switch-files.sh",
  "switch-follow.sh",
  "switch-paths.sh",
  "switch-run.sh",
  "switch-start.sh",
  "switch-units.sh",
  "confirm.sh",
];

/**
 * What units make after /usr has changed (the journal's catalog, users, caches) is in the closure. These are as old as its
 * /usr, which says so: systemd-update-done.service(8).
 */
const UP_TO_DATE: readonly FilePlan[] = ["/etc/.updated", "/var/.updated"].map((path) =>
  textFile(path, ["# The closure has already updated what depends on /usr."]),
);

/** `nixfleet COMMAND` on the host; src/closure/tree/customize.sh makes the link by which it is found. */
function commandFiles(): FilePlan[] {
  return [
    { ...scriptFile("nixfleet.sh"), path: "/etc/nixfleet/nixfleet" },
    scriptFile("status.sh"),
    scriptFile("read-report.sh"),
    scriptFile("announce.sh"),
    ...unitFiles({
      services: {
        "nixfleet-status": {
          ...NO_RELATIONS,
          description: "Report when this boot is not as declared",
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

/** Commands of hosts that run programs of the fleet. */
function fleetFiles({ files }: HostPlan): FilePlan[] {
  const runs = (unit: string) => files.some(({ path }) => path === `/etc/systemd/system/${unit}`);
  return [
    ...(runs("nixfleet-control-plane.service") ? [scriptFile("control-plane.sh")] : []),
    ...(runs("nixfleet-agent.service") ? agentFiles() : []),
  ];
}

function agentFiles(): FilePlan[] {
  const unit = "nixfleet-prove.service";
  const text = readFileSync(join(import.meta.dirname, unit), "utf8");
  return [
    scriptFile("agent.sh"),
    scriptFile("prove.sh"),
    { kind: "text", path: `/etc/systemd/system/${unit}`, text, mode: "0644" },
    ...["basic.target.wants", "boot-complete.target.requires"].map((by) =>
      symlink(`/etc/systemd/system/${by}/${unit}`, `../${unit}`),
    ),
  ];
}

/** `apt-get install` says what to do instead. */
function aptFiles(): FilePlan[] {
  const text = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");
  return [
    { kind: "text", path: "/etc/nixfleet/declare.pl", text: text("declare.pl"), mode: "0644" },
    { kind: "text", path: "/etc/apt/apt.conf.d/90nixfleet", text: text("apt.conf"), mode: "0644" },
  ];
}

/** The unit has conditions: which programs there are, the packages say, and not the plan. */
function secretFiles(): FilePlan[] {
  const unit = "/etc/systemd/system/nixfleet-host-secrets.service";
  const text = readFileSync(join(import.meta.dirname, "nixfleet-host-secrets.service"), "utf8");
  return [
    scriptFile("host-secrets.sh"),
    { kind: "text", path: unit, text, mode: "0644" },
    symlink(
      "/etc/systemd/system/multi-user.target.wants/nixfleet-host-secrets.service",
      "../nixfleet-host-secrets.service",
    ),
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
