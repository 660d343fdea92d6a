/** Services, units and files in /etc that the host declares itself. */
import type { Config } from "../../fleet/options.ts";
import { unitText } from "../../plan/units.ts";
import { Forced, type NixSet, type NixValue } from "../../scopes/on-nixos.ts";
import type { Part } from "./part.ts";

/** @param covered whether a scope's options on NixOS bring that file, or unit, themselves */
export function servicesPart(config: Config, covered: { readonly etc: Covers; readonly unit: Covers }): Part {
  const lost: string[] = [];
  const services = Object.entries(config.systemd.services).flatMap(([name, service]): [string, NixSet][] => {
    if (covered.unit(name)) return [];
    lost.push(...debianPaths(`systemd.services.${name}`, [service.serviceConfig, service.environment]));
    return [[name, serviceOf(service)]];
  });
  const units = Object.entries(config.systemd.units).flatMap(([name, unit]): [string, NixSet][] => {
    if (covered.unit(name)) return [];
    if (unit.sections !== null)
      lost.push(...debianPaths(`systemd.units.${JSON.stringify(name)}`, Object.values(unit.sections)));
    return [
      [
        name,
        {
          ...(unit.enable ? {} : { enable: false }),
          ...(unit.sections === null ? {} : { text: unitText(unit.sections) }),
          ...relations({ wantedBy: unit.wantedBy, requiredBy: unit.requiredBy }),
        },
      ],
    ];
  });
  const etc = Object.entries(config.environment.etc).flatMap(([path, file]): [string, NixSet][] =>
    file.enable && file.source === null && !covered.etc(path) ? [[path, fileOf(path, file)]] : [],
  );
  lost.push(...ownFiles(config));
  return {
    options: {
      ...(etc.length === 0 ? {} : { environment: { etc: Object.fromEntries(etc) } }),
      ...(services.length + units.length === 0
        ? {}
        : {
            systemd: {
              ...(services.length === 0 ? {} : { services: Object.fromEntries(services) }),
              ...(units.length === 0 ? {} : { units: Object.fromEntries(units) }),
            },
          }),
    },
    lost,
  };
}

function fileOf(path: string, { text, target, mode }: Config["environment"]["etc"][string]): NixSet {
  const own = (value: string): NixValue => (NIXOS_WRITES.has(path) ? new Forced(value) : value);
  return {
    ...(target === null ? {} : { source: own(resolved(`/etc/${path}`, target)) }),
    ...(text === null ? {} : { text: own(text.endsWith("\n") ? text : `${text}\n`) }),
    ...(mode === null || mode === "0644" ? {} : { mode }),
  };
}

/** What is part of the closure from the fleet's own folder, which the flake has not; and /opt, for which NixOS has no option. */
function ownFiles({ environment, nixfleet }: Config): string[] {
  const files = (["etc", "opt"] as const).flatMap((folder) =>
    Object.entries(environment[folder]).flatMap(([path, { enable, source }]) =>
      enable && (source !== null || folder === "opt")
        ? [
            `/${folder}/${path} is ${source === null ? "not made" : `${source} of the fleet's folder`}: package it for NixOS`,
          ]
        : [],
    ),
  );
  return [...files, ...nixfleet.debian.debs.map((path) => `${path} is a package for Debian: package it for NixOS`)];
}

/** Where a link at this path leads: NixOS wants it absolute. */
function resolved(path: string, target: string): string {
  const parts: string[] = [];
  for (const part of (target.startsWith("/") ? target : `${path}/../${target}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** NixOS has content of its own for these. */
const NIXOS_WRITES = new Set(
  "bashrc fstab hostname hosts inputrc issue locale.conf nsswitch.conf os-release profile resolv.conf sudoers vconsole.conf".split(
    " ",
  ),
);

type Covers = (name: string) => boolean;

function serviceOf(service: Config["systemd"]["services"][string]): NixSet {
  const { enable, description, environment, unitConfig, serviceConfig } = service;
  const { after, before, wants, requires, wantedBy, requiredBy } = service;
  return {
    ...(enable ? {} : { enable: false }),
    ...(description === "" ? {} : { description }),
    ...relations({ wantedBy, requiredBy, after, before, wants, requires }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...(Object.keys(unitConfig).length === 0 ? {} : { unitConfig }),
    ...(Object.keys(serviceConfig).length === 0 ? {} : { serviceConfig }),
  };
}

function relations(lists: Readonly<Record<string, readonly string[]>>): NixSet {
  const said = Object.entries(lists).filter(([, units]) => units.length > 0);
  return Object.fromEntries(
    said.map(([name, units]): [string, NixValue] => [name, units.map((unit) => UNITS[unit] ?? unit)]),
  );
}

/** What Debian's units are called there. */
const UNITS: Readonly<Record<string, string>> = {
  "ssh.service": "sshd.service",
  "smbd.service": "samba-smbd.service",
  "redis-server.service": "redis.service",
};

/** Programs that NixOS does not have at that place: it has only /bin/sh and /usr/bin/env. */
function debianPaths(where: string, values: readonly unknown[]): string[] {
  const text = JSON.stringify(values);
  const programs = [
    ...text.matchAll(/(?<![\w.-])\/(?:usr\/(?:local\/)?)?(?:s?bin|lib|libexec|share)\/[\w.+@/-]+/g),
  ].map(([path]) => path);
  const missing = [...new Set(programs)].filter((path) => path !== "/bin/sh" && path !== "/usr/bin/env");
  return missing.map(
    (path) =>
      `${where} names ${path}, which NixOS has not: write the path of a package, such as "\${pkgs.coreutils}/bin/…"`,
  );
}
