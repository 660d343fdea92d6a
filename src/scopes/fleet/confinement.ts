/** What the programs of the fleet may not do: systemd.exec(5). Each adds what it needs. */
import type { UnitSetting } from "../../system/systemd.ts";

/** Node compiles into memory that it then runs, so `MemoryDenyWriteExecute` would end it. */
export const CONFINED: Readonly<Record<string, UnitSetting>> = {
  CapabilityBoundingSet: "",
  DevicePolicy: "closed",
  KeyringMode: "private",
  LockPersonality: true,
  NoNewPrivileges: true,
  PrivateDevices: true,
  PrivateTmp: true,
  ProtectClock: true,
  ProtectControlGroups: true,
  ProtectHome: true,
  ProtectHostname: true,
  ProtectKernelLogs: true,
  ProtectKernelModules: true,
  ProtectKernelTunables: true,
  ProtectProc: "invisible",
  ProtectSystem: "strict",
  RemoveIPC: true,
  RestrictNamespaces: true,
  RestrictRealtime: true,
  RestrictSUIDSGID: true,
  SystemCallArchitectures: "native",
  SystemCallErrorNumber: "EPERM",
  UMask: "0077",
};

/** A program of the runtime, by the name of its bundle. */
export function program(name: string, ...args: readonly string[]): string {
  const runtime = "/etc/nixfleet/runtime";
  return [`${runtime}/bin/node`, `${runtime}/lib/nixfleet/${name}.js`, ...args].map(quoted).join(" ");
}

/** An argument as ExecStart= reads it, see systemd.service(5). */
export function quoted(argument: string): string {
  return `"${argument.replace(/["\\]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}
