/** The parts of docs/scopes.md that the code says. `node test/unit/scopes-reference.ts` prints them. */
import { optionReference } from "../../src/fleet/reference.ts";
import { roles, scopes } from "../../src/index.ts";
import { isOption, type OptionTree } from "../../src/modules/option.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { hostWith, planWith } from "./host.ts";

export interface Switch {
  /** The scope's name in `scopes`. */
  readonly scope: string;
  /** The path of its option without `enable`: `["services", "cron"]`. */
  readonly path: readonly string[];
}

/** Everything that scopes can be told to enable, sorted. */
export const switches: readonly Switch[] = Object.entries(scopes)
  .flatMap(([scope, { options }]) => enableOptions(options).map((path) => ({ scope, path })))
  .sort((a, b) => (a.path.join(".") < b.path.join(".") ? -1 : 1));

/** What a scope wants to be told before it can be enabled. */
const REQUIRED: Readonly<Record<string, object>> = {
  "services.nixfleet-agent": {
    controlPlane: "https://fleet.example.org:8443",
    contentRepositories: ["https://content.example.org/"],
  },
};

/** `{ services: { cron: { enable: true } } }`, and what else it wants. */
export function enabled(path: readonly string[]): object {
  const inner: object = { enable: true, ...REQUIRED[path.join(".")] };
  const module = path.reduceRight((value, name) => ({ [name]: value }), inner);
  return path.at(-1) === "tailscale" ? { ...module, nixfleet: { debian: { archive: TWO_ARCHIVES } } } : module;
}

const TWO_ARCHIVES = [
  "deb http://archive.example.org/debian trixie main",
  "deb [signed-by=/etc/keys/vendor.gpg] https://vendor.example.org/debian trixie main",
];

export function isEnabled(config: unknown, path: readonly string[]): boolean {
  const at = (value: unknown, name: string) => (value as Readonly<Record<string, unknown>>)[name];
  return [...path, "enable"].reduce<unknown>(at, config) === true;
}

/** A table of what each role enables. */
export function rolesTable(): string {
  const rows = Object.entries(roles).map(([name, role]) => {
    const { config } = hostWith(role);
    const on = switches.filter(({ path }) => isEnabled(config, path));
    return `| \`roles.${name}\` | ${on.map(({ path }) => `\`${path.join(".")}\``).join(", ")} |`;
  });
  return ["| role | enables |", "| --- | --- |", ...rows].join("\n");
}

/** A section a switch: its options, and what it persists with which purpose. */
export function scopesReference(): string {
  const reference = optionReference();
  const bare = pathsOf(planWith());
  return switches
    .map(({ scope, path }) => {
      const name = path.join(".");
      const alone = switches.filter((other) => other.scope === scope).length === 1;
      const own = new Set(alone ? optionPaths(scopes[scope as keyof typeof scopes].options) : []);
      const options = reference.filter((option) => option.path.startsWith(`${name}.`) || own.has(option.path));
      const enable = options.find((option) => option.path === `${name}.enable`);
      const others = options.filter((option) => option !== enable);
      const entries = planWith(enabled(path)).persistence.entries.filter((entry) => !bare.has(entry.path));
      return [
        `### \`${name}\``,
        (enable?.description ?? "").replace(/^Whether to enable /, "").replace(/^./, (first) => first.toUpperCase()),
        ...(others.length === 0
          ? []
          : [
              [
                "| option | default | |",
                "| --- | --- | --- |",
                ...others.map((one) => `| \`${one.path}\` | ${cell(one.default)} | ${escaped(one.description)} |`),
              ].join("\n"),
            ]),
        [
          "| persisted | purpose |",
          "| --- | --- |",
          ...entries.map(({ kind, path: place, purpose }) => {
            const shown = `${place}${kind === "directory" ? "/" : ""}`.replace("/home/alice/", "~/");
            return `| \`${shown}\` | ${purpose} |`;
          }),
        ].join("\n"),
      ].join("\n\n");
    })
    .join("\n\n");
}

function pathsOf(plan: HostPlan): Set<string> {
  return new Set(plan.persistence.entries.map((entry) => entry.path));
}

function cell(text: string | null): string {
  return text === null ? "" : `\`${escaped(text)}\``;
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}

function enableOptions(tree: OptionTree, path: readonly string[] = []): (readonly string[])[] {
  return Object.entries(tree).flatMap(([name, node]) => {
    if (!isOption(node)) return enableOptions(node, [...path, name]);
    return name === "enable" ? [path] : [];
  });
}

function optionPaths(tree: OptionTree, path: readonly string[] = []): string[] {
  return Object.entries(tree).flatMap(([name, node]) =>
    isOption(node) ? [[...path, name].join(".")] : optionPaths(node, [...path, name]),
  );
}

if (import.meta.main) console.log(`${rolesTable()}\n\n${scopesReference()}`);
