/** What Prometheus reads: of this process, its requests, and the fleet. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { fleetCounts } from "../store/counts.ts";
import type { Database } from "../store/database.ts";

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram;
  readonly #machines: Gauge;
  readonly #rollouts: Gauge;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Histogram({
      name: "nixfleet_request_seconds",
      help: "How long requests took.",
      labelNames: ["method", "status"],
      buckets: [0.005, 0.02, 0.1, 0.5, 2],
      registers,
    });
    this.#machines = new Gauge({
      name: "nixfleet_machines",
      help: "Machines by lifecycle and by what they last said.",
      labelNames: ["lifecycle", "outcome"],
      registers,
    });
    this.#rollouts = new Gauge({
      name: "nixfleet_rollouts",
      help: "Rollouts by status.",
      labelNames: ["status"],
      registers,
    });
  }

  get type(): string {
    return this.#registry.contentType;
  }

  /** A request began. @returns what is called at its end */
  began(): (method: string, status: number) => void {
    const end = this.#requests.startTimer();
    return (method, status) => {
      end({ method, status });
    };
  }

  async text(db: Database): Promise<string> {
    const { machines, rollouts } = await fleetCounts(db);
    this.#machines.reset();
    for (const { lifecycle, outcome, count } of machines) this.#machines.set({ lifecycle, outcome }, count);
    this.#rollouts.reset();
    for (const { status, count } of rollouts) this.#rollouts.set({ status }, count);
    return await this.#registry.metrics();
  }
}
