/** Hosts evaluated per second: 50 entries and 20 modules each, every value computed, and the plan made. */
import { type Config, diskoTemplates, mkDefault, mkHost, mkIf } from "../src/index.ts";
import type { BenchRow } from "./main.ts";

const MODULES = 20;
const ENTRIES = 50;

export function benchModules(): readonly BenchRow[] {
  evaluate(200, "warm");
  const rows = [1, 100, 1_000, 10_000].map((hosts) => {
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const began = performance.now();
    evaluate(hosts, "bench");
    const milliseconds = performance.now() - began;
    const megabytes = Math.max(0, process.memoryUsage().heapUsed - before) / 2 ** 20;
    return { hosts, perHost: milliseconds / hosts, megabytes };
  });
  const base = rows[1]?.perHost ?? Number.NaN;
  return rows.map(({ hosts, perHost, megabytes }) => {
    const linear = { wanted: "a host costs the same: at most 1.5", ratio: perHost / base, limit: 1.5 };
    const quick = { wanted: "of 2 s on one core: at most 1", ratio: perHost / 2, limit: 1 };
    const none = { wanted: "", ratio: perHost / base, limit: Number.POSITIVE_INFINITY };
    const { wanted, ratio, limit } = hosts === 10_000 ? linear : hosts === 1_000 ? quick : none;
    return {
      what: `evaluate and plan ${hosts} host${hosts === 1 ? "" : "s"}`,
      measured: `${Math.round(1000 / perHost)} hosts/s, ${megabytes.toFixed(0)} MiB more on the heap`,
      ratio,
      wanted,
      holds: ratio <= limit,
    };
  });
}

/** Makes, evaluates and plans so many hosts, one after the other, as `nixfleet check` does. */
function evaluate(hosts: number, name: string): void {
  for (let i = 0; i < hosts; i++) {
    const host = mkHost({
      hostName: `${name}-${i}`,
      platform: "x86_64-linux",
      hostSpec: { userName: "alice" },
      modules: [
        diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
        { nixfleet: { impermanence: { enable: true } }, services: { openssh: { enable: true } } },
        ...Array.from({ length: MODULES - 2 }, (_, module) => scopeLike(module)),
      ],
    });
    host.evaluation.force();
    host.plan();
  }
}

/** Says what a scope says: packages, a service, its entries, under conditions. */
function scopeLike(module: number) {
  const count = Math.ceil(ENTRIES / (MODULES - 2));
  return mkIf(({ nixfleet }: Config) => nixfleet.impermanence.enable, {
    environment: {
      systemPackages: [`package-${module}`],
      persistence: {
        "/persist": {
          directories: Array.from({ length: count }, (_, i) =>
            i === 0 ? { directory: `/var/lib/s${module}`, mode: "0700" } : `/srv/s${module}/${i}`,
          ),
        },
      },
    },
    systemd: {
      services: {
        [`service-${module}`]: {
          wantedBy: ["multi-user.target"],
          serviceConfig: { ExecStart: mkDefault("/bin/true") },
        },
      },
    },
  });
}
