/**
 * Hosts evaluated per second: 50 entries and 20 modules each, every value computed. `node --expose-gc bench/modules.ts`
 * runs it alone. Times are those of the processor, so that what else the machine does counts little.
 */
import { type Config, diskoTemplates, mkDefault, mkHost, mkIf } from "../src/index.ts";
import { type BenchRow, report } from "./rows.ts";

const MODULES = 20;
const ENTRIES = 50;

export function benchModules(): readonly BenchRow[] {
  measure(300, 1);
  const one = measure(1, 100);
  const hundred = measure(100, 5);
  const thousand = measure(1_000, 1);
  const tenThousand = measure(10_000, 1);
  const planned = measure(1_000, 1, (host) => host.plan());
  return [
    row("evaluate 1 host", one, one.perHost / hundred.perHost),
    row("evaluate 100 hosts", hundred, 1),
    row("evaluate 1,000 hosts", thousand, thousand.perHost / 2, "of 2 s on one core: at most 1", 1),
    row(
      "evaluate 10,000 hosts",
      tenThousand,
      tenThousand.perHost / hundred.perHost,
      "a host costs what it costs among 100: at most 1.5",
      1.5,
    ),
    row("evaluate and plan 1,000 hosts", planned, planned.perHost / 1.5, "of 1.5 ms a host"),
    kept(100),
  ];
}

interface Measured {
  /** Milliseconds of the processor. */
  readonly perHost: number;
  /** Of the heap, in MiB, once what nobody needs is collected (with `--expose-gc`). */
  readonly growth: number;
}

/** The fastest of some runs, each of so many hosts one after the other, as `nixfleet check` does. */
function measure(hosts: number, runs: number, use: (host: Host) => void = () => {}): Measured {
  const before = heap();
  const times = Array.from({ length: runs }, () => {
    const began = process.cpuUsage();
    for (let i = 0; i < hosts; i++) use(evaluated(i));
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  });
  return { perHost: Math.min(...times) / hosts, growth: Math.max(0, heap() - before) };
}

function row(what: string, { perHost, growth }: Measured, ratio: number, wanted = "", limit = Infinity): BenchRow {
  const rss = Math.round(process.resourceUsage().maxRSS / 1024);
  const speed = `${Math.round(1000 / perHost)} hosts/s, ${perHost.toFixed(2)} ms a host`;
  const memory = `heap +${growth.toFixed(0)} MiB, at most ${rss} MiB resident so far`;
  return { what, measured: `${speed}; ${memory}`, ratio, wanted, holds: ratio <= limit };
}

/** What a host occupies as long as somebody holds it. */
function kept(count: number): BenchRow {
  const before = heap();
  const hosts = Array.from({ length: count }, (_, i) => evaluated(i));
  const each = (heap() - before) / hosts.length;
  return {
    what: `keep ${count} hosts`,
    measured: `${(each * 1024).toFixed(0)} KiB a host`,
    ratio: each,
    wanted: "of 1 MiB a host: at most 1",
    holds: globalThis.gc === undefined || each <= 1,
  };
}

function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

type Host = ReturnType<typeof mkHost>;

function evaluated(index: number): Host {
  const host = mkHost({
    hostName: `bench-${index}`,
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      { nixfleet: { impermanence: { enable: true } }, services: { openssh: { enable: true } } },
      ...Array.from({ length: MODULES - 2 }, (_, module) => scopeLike(module)),
    ],
  });
  host.evaluation.force();
  return host;
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

if (import.meta.main) report(benchModules());
