/** `nixfleet emit nixos [HOST…] --to DIR` */
import { loadFleet, planOf } from "../deploy/load-fleet.ts";
import { writeFlake } from "../deploy/nixos-flake.ts";
import { flakeFiles } from "../emit/nixos/flake.ts";
import { type HostOnNixos, hostOnNixos, type Persistence } from "../emit/nixos/host.ts";
import { UserError } from "../errors.ts";
import { hostOf } from "../fleet/mk-fleet.ts";
import { print, printJson } from "./output.ts";

interface EmitOptions {
  readonly to: string;
  readonly persistence: string;
  readonly json?: boolean;
}

export async function emit(
  file: string,
  format: string,
  names: readonly string[],
  { to, persistence, json }: EmitOptions,
): Promise<void> {
  if (format !== "nixos") throw new UserError(`there is no format ${format}`, ["write: nixfleet emit nixos"]);
  const module = persistenceModule(persistence);
  const { fleet, folder } = await loadFleet(file);
  const hosts = names.length === 0 ? [...fleet.hosts.values()] : names.map((name) => hostOf(fleet, name));
  const emitted = new Map<string, HostOnNixos>();
  for (const host of hosts)
    emitted.set(
      host.hostName,
      emittedHost(host.hostName, () => hostOnNixos(host, planOf(host, folder), module)),
    );
  const files = flakeFiles(emitted, module);
  await writeFlake(to, files);
  const lost = [...emitted].map(([host, { lost }]) => ({ host, lost }));
  if (json) return printJson({ folder: to, files: files.map(({ path }) => path), hosts: lost });
  for (const { path } of files) print(`wrote ${to}/${path}`);
  for (const one of lost)
    print([`\n${one.host}: what is not the same on NixOS:`, ...one.lost.map((line) => `  ${line}`)].join("\n"));
}

function persistenceModule(name: string): Persistence {
  if (name === "preservation" || name === "impermanence") return name;
  throw new UserError(`there is no module ${name} for --persistence`, ["there are preservation and impermanence"]);
}

function emittedHost(hostName: string, make: () => HostOnNixos): HostOnNixos {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${hostName}: ${error.message}`, error.detail);
  }
}
