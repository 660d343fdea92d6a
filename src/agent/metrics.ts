/** What the agent knows, for Prometheus: the text format, as the node exporter reads it from files. */
import type { Facts } from "./decide.ts";
import type { AgentState } from "./state.ts";

/** @param now in milliseconds */
export function metricsText(
  { end, work, rejected, change }: AgentState,
  { running, booted }: Facts,
  now: number,
): string {
  const gauges: readonly (readonly [name: string, help: string, value: number])[] = [
    ["healthy", "Whether the last change ended well and every check passes.", end.kind === "healthy" ? 1 : 0],
    ["changing", "Whether a change is on its way.", work === null ? 0 : 1],
    ["change", "The number of the last change that ended.", change],
    ["provisional", "Whether the running closure has not been booted yet.", running === booted ? 0 : 1],
    ["rejected_releases", "Releases that were taken back here.", rejected.length],
    ["last_run_seconds", "When the agent ran last.", now / 1000],
  ];
  return gauges
    .map(
      ([name, help, value]) =>
        `# HELP nixfleet_agent_${name} ${help}\n# TYPE nixfleet_agent_${name} gauge\nnixfleet_agent_${name} ${value}\n`,
    )
    .join("");
}
