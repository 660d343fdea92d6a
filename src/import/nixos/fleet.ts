/** A first fleet.ts, from what NixOS hosts say of themselves. */

import { GROUPS, USERS } from "../../scopes/debian.ts";
import { hostSpecOptions } from "../../system/host-spec.ts";
import { visible } from "../../visible.ts";
import { disksFrom } from "./disks.ts";
import type { Exported } from "./exported.ts";
import { persistenceFrom } from "./persistence.ts";
import { literal, type Value } from "./typescript.ts";

export interface ImportedFleet {
  readonly text: string;
  /** What was not carried over, by host. */
  readonly lost: ReadonlyMap<string, readonly string[]>;
}

export function fleetFrom(hosts: readonly Exported[]): ImportedFleet {
  const imported = hosts.map((host) => [host.hostName, hostFrom(host)] as const);
  const texts = imported.map(([, { declaration, lost }]) => {
    const comments = ["Not carried over from NixOS:", ...lost.map((line) => `- ${line}`)];
    return `${comments.map((line) => `  // ${visible(line)}\n`).join("")}  mkHost(${literal(declaration, 1, 9)}),\n`;
  });
  return {
    text: `import { mkFleet, mkHost } from "nixfleet";\n\nexport default mkFleet([\n${texts.join("")}]);\n`,
    lost: new Map(imported.map(([name, { lost }]) => [name, lost])),
  };
}

function hostFrom(host: Exported): { readonly declaration: Value; readonly lost: readonly string[] } {
  const enabled = enabledFrom(host);
  const people = Object.entries(host.users).filter(([name]) => name !== "root");
  const [primary] = people.toSorted(([, a], [, b]) => (a.uid ?? Infinity) - (b.uid ?? Infinity));
  const spec = specFrom(host, primary?.[0]);
  const disks = disksFrom(host);
  const owners = {
    users: new Set([...USERS, ...Object.keys(host.users)]),
    groups: new Set([...GROUPS, ...Object.keys(host.groups), ...people.map(([name]) => name)]),
  };
  const persistence = persistenceFrom(host, owners);
  const users = usersFrom(host, enabled.groups, persistence.groups);
  return {
    declaration: {
      hostName: host.hostName,
      platform: host.platform,
      hostSpec: spec.value,
      modules: [
        {
          nixfleet: persistence.roots === undefined ? undefined : { impermanence: { enable: true } },
          ...enabled.value,
          disko: disks.devices === null ? undefined : { devices: disks.devices },
          users: Object.values(users.value).every((value) => value === undefined) ? undefined : users.value,
          environment: persistence.roots === undefined ? undefined : { persistence: persistence.roots },
        },
      ],
    },
    lost: [
      ...[...new Set([...spec.lost, ...disks.lost, ...persistence.lost, ...users.lost, ...enabled.lost])],
      "packages, files in /etc, units, kernel parameters, and all further options",
    ],
  };
}

interface Found {
  readonly value: { readonly [name: string]: Value };
  readonly lost: readonly string[];
}

function specFrom({ timeZone, locale, keyMap }: Exported, userName: string | undefined): Found {
  const lost: string[] = [];
  const { hostSpec } = hostSpecOptions;
  const accepted = (name: "timeZone" | "locale" | "keyMap", value: string | null, option: string) => {
    if (value === null || value === hostSpec[name].default) return undefined;
    if (hostSpec[name].type.accepts(value)) return value;
    lost.push(`${option} = ${JSON.stringify(value)}: here it wants ${hostSpec[name].type.description}`);
    return undefined;
  };
  return {
    value: {
      userName,
      timeZone: accepted("timeZone", timeZone, "time.timeZone"),
      locale: accepted("locale", locale, "i18n.defaultLocale"),
      keyMap: accepted("keyMap", keyMap, "console.keyMap"),
    },
    lost: keyMap === null ? [...lost, "console.keyMap is a file"] : lost,
  };
}

/** @param needed whose some entries are */
function usersFrom(
  { users, groups: all }: Exported,
  groupsOfScopes: ReadonlySet<string>,
  needed: readonly string[],
): Found {
  const lost: string[] = [];
  const further = new Set(needed.filter((group) => isFurther(group)));
  function isFurther(group: string): boolean {
    return !GROUPS.includes(group) && !groupsOfScopes.has(group) && users[group] === undefined;
  }
  const declared = Object.entries(users).flatMap(([name, user]): [string, Value][] => {
    const login = {
      hashedPasswordFile: user.hashedPasswordFile ?? undefined,
      openssh: user.keys.length === 0 ? undefined : { authorizedKeys: { keys: user.keys } },
    };
    if (name === "root")
      return login.hashedPasswordFile === undefined && login.openssh === undefined ? [] : [[name, login]];
    const groups = user.extraGroups.map((group) => RENAMED[group] ?? group);
    const unknown = groups.filter((group) => isFurther(group) && all[group] === undefined);
    for (const group of [...groups, user.group]) if (isFurther(group) && all[group] !== undefined) further.add(group);
    lost.push(...unknown.map((group) => `${name} is in the group ${group}, which the host does not have here`));
    const extraGroups = groups.filter((group) => !unknown.includes(group));
    const shell = shellFrom(user.shell);
    if (shell === null) lost.push(`${name} has the shell ${user.shell}`);
    return [
      [
        name,
        {
          uid: user.uid ?? undefined,
          description: user.description === "" ? undefined : user.description,
          group: user.group === name ? undefined : user.group,
          extraGroups: extraGroups.length === 0 ? undefined : extraGroups,
          home: user.home === `/home/${name}` ? undefined : user.home,
          shell: shell ?? undefined,
          ...login,
        },
      ],
    ];
  });
  const uids = Object.values(users).map(({ uid }) => uid);
  const declaredGroups = [...further].map((group): [string, Value] => {
    const gid = all[group]?.gid ?? null;
    return [group, gid === null || uids.includes(gid) ? {} : { gid }];
  });
  return {
    value: {
      users: declared.length === 0 ? undefined : Object.fromEntries(declared),
      groups: declaredGroups.length === 0 ? undefined : Object.fromEntries(declaredGroups),
    },
    lost,
  };
}

const RENAMED: Readonly<Record<string, string>> = { wheel: "sudo", networkmanager: "netdev", libvirtd: "libvirt" };

/** `undefined`: the usual one. */
function shellFrom(shell: string | null): string | null | undefined {
  const name = shell?.replace(/^.*\//, "");
  if (name === undefined || name === "bash") return undefined;
  return name === "zsh" || name === "fish" ? `/usr/bin/${name}` : null;
}

/** What is enabled under one name in both. */
const SCOPES = {
  services: ["atd", "cron", "fail2ban", "fwupd", "nginx", "openssh", "postgresql", "printing"],
  programs: ["chromium", "firefox", "fish", "neovim", "thunderbird", "zsh"],
  virtualisation: ["docker", "libvirtd", "podman"],
} as const;

/** Every NixOS has them. */
const USUAL =
  "dbus fontconfig getty journald logrotate lvm nscd ntp openssh resolved timesyncd udev bash command-not-found fuse git less nano ssh vim".split(
    " ",
  );

function enabledFrom(host: Exported): Found & { readonly groups: ReadonlySet<string> } {
  const lost: string[] = [];
  const value: Record<string, Value> = {};
  const groups = new Set(["sudo"]);
  for (const [kind, known] of Object.entries(SCOPES)) {
    const names = kind === "services" ? host.services : kind === "programs" ? host.programs : host.virtualisation;
    const here = known.filter((name) => names.includes(name));
    if (here.length > 0) value[kind] = Object.fromEntries(here.map((name) => [name, { enable: true }]));
    const further = names.filter((name) => !known.some((one) => one === name) && !USUAL.includes(name));
    if (further.length > 0) lost.push(`${kind} that are enabled: ${further.join(", ")}`);
    lost.push(
      ...here
        .filter((name) => DETAILED.has(name))
        .map((name) => `the settings of ${kind}.${name}: only that it is enabled`),
    );
    if (here.includes("docker")) groups.add("docker");
    if (here.includes("libvirtd")) groups.add("libvirt");
    if (here.includes("printing")) groups.add("lpadmin");
  }
  if (host.networkmanager) {
    value.networking = { networkmanager: { enable: true } };
    groups.add("netdev");
  }
  if (host.bluetooth) value.hardware = { bluetooth: { enable: true } };
  return { value, lost, groups };
}

const DETAILED = new Set(["fail2ban", "nginx", "openssh", "postgresql", "docker"]);
