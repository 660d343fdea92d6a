/** systemd units as files. */
import type { SystemConfig } from "../system/options.ts";
import type { UnitSetting } from "../system/systemd.ts";
import type { MadeFilePlan } from "./file-plan.ts";

const FOLDER = "/etc/systemd/system";

type Sections = Readonly<Record<string, Readonly<Record<string, UnitSetting>>>>;

/** The units' own files, and the links by which others want them. */
export function unitFiles(systemd: SystemConfig["systemd"]): MadeFilePlan[] {
  return [
    ...Object.entries(systemd.services).flatMap(([name, service]) =>
      unit(`${name}.service`, service, serviceSections(service)),
    ),
    ...Object.entries(systemd.units).flatMap(([name, declared]) => unit(name, declared, declared.sections)),
  ];
}

interface Enabling {
  readonly enable: boolean;
  readonly wantedBy: readonly string[];
  readonly requiredBy: readonly string[];
}

function unit(name: string, { enable, wantedBy, requiredBy }: Enabling, sections: Sections | null): MadeFilePlan[] {
  if (!enable) return [{ kind: "symlink", path: `${FOLDER}/${name}`, target: "/dev/null" }];
  const own = sections === null ? `/usr/lib/systemd/system/${name}` : `${FOLDER}/${name}`;
  const links = [...wantedBy.map((by) => `${by}.wants`), ...requiredBy.map((by) => `${by}.requires`)];
  return [
    ...(sections === null ? [] : [{ kind: "text" as const, path: own, text: unitText(sections), mode: "0644" }]),
    ...links.map((folder) => ({ kind: "symlink" as const, path: `${FOLDER}/${folder}/${name}`, target: own })),
  ];
}

function serviceSections(service: SystemConfig["systemd"]["services"][string]): Sections {
  const { description, after, before, wants, requires, environment, unitConfig, serviceConfig } = service;
  const listed = Object.entries({ After: after, Before: before, Wants: wants, Requires: requires }).filter(
    ([, names]) => names.length > 0,
  );
  const variables = Object.entries(environment).map(
    ([name, value]) => `"${name}=${value.replace(/["\\]/g, "\\$&").replaceAll("%", "%%")}"`,
  );
  return {
    Unit: {
      ...(description === "" ? {} : { Description: description }),
      ...Object.fromEntries(listed.map(([key, names]) => [key, names.join(" ")])),
      ...unitConfig,
    },
    Service: { ...(variables.length === 0 ? {} : { Environment: variables }), ...serviceConfig },
  };
}

/** The text of a unit file; see systemd.syntax(7). */
export function unitText(sections: Sections): string {
  return Object.entries(sections)
    .filter(([, settings]) => Object.keys(settings).length > 0)
    .map(([name, settings]) => {
      const lines = Object.entries(settings).flatMap(([key, value]) =>
        (Array.isArray(value) ? value : [value]).map((one) => `${key}=${one}\n`),
      );
      return `[${name}]\n${lines.join("")}`;
    })
    .join("\n");
}
