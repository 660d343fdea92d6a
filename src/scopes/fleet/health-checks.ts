/** What is declared beside a service → what the agent reads: src/agent/settings.ts. */
import type { SystemConfig } from "../../system/options.ts";

type Declared = SystemConfig["nixfleet"]["healthChecks"][string];

export function isOneCheck({ unit, url, tcp, command }: Declared): boolean {
  return [unit !== null, url !== null, tcp !== null, command.length > 0].filter((given) => given).length === 1;
}

export function declaredCheck(name: string, check: Declared): object {
  const { unit, url, status, tcp, command, interval, timeout, failures } = check;
  const common = { name, interval, timeout, failures };
  if (unit !== null) return { kind: "systemd", ...common, unit };
  if (url !== null) return { kind: "http", ...common, url, status };
  if (tcp !== null) {
    const colon = tcp.lastIndexOf(":");
    return {
      kind: "tcp",
      ...common,
      host: tcp.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
      port: Number(tcp.slice(colon + 1)),
    };
  }
  return { kind: "exec", ...common, command };
}
