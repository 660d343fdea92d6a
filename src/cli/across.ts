/** One thing done with several hosts: what fails with one of them keeps none of the others from it. */
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";
import { print, table } from "./output.ts";
import { duration, type OnProgress } from "./progress.ts";

export interface Outcome<T> {
  readonly host: string;
  readonly result: T | null;
  readonly error: UserError | null;
  readonly seconds: number;
}

/** @param atOnce how many hosts may be worked on at a time */
export async function across<Item extends { readonly hostName: string }, T>(
  hosts: readonly Item[],
  atOnce: number,
  onProgress: OnProgress,
  work: (host: Item, onProgress: OnProgress) => Promise<T>,
): Promise<readonly Outcome<T>[]> {
  const outcomes = new Map<Item, Outcome<T>>();
  const waiting = [...hosts];
  const worker = async (): Promise<void> => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      const { hostName } = host;
      const began = performance.now();
      const seconds = () => Math.round((performance.now() - began) / 1000);
      try {
        const result = await work(host, (step) => onProgress(`${hostName}: ${step}`));
        outcomes.set(host, { host: hostName, result, error: null, seconds: seconds() });
      } catch (error) {
        if (interruption.aborted || !(error instanceof UserError)) throw error;
        outcomes.set(host, { host: hostName, result: null, error, seconds: seconds() });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return hosts.flatMap((host) => outcomes.get(host) ?? []);
}

/** A row for each host. @throws UserError with what failed, where something did */
export function tellOutcomes<T>(
  outcomes: readonly Outcome<T>[],
  what: string,
  cell: (result: T) => string,
  options: { readonly json?: boolean },
): void {
  const rows = outcomes.map(({ host, result, error, seconds }) => [
    host,
    result === null ? `failed: ${error?.message ?? ""}` : cell(result),
    duration(seconds * 1000),
  ]);
  if (!options.json) print(table(["host", "outcome", "took"], rows));
  const failed = outcomes.flatMap(({ host, error }) => (error === null ? [] : [{ host, error }]));
  if (failed.length === 0) return;
  throw new UserError(
    `${failed.length} of ${outcomes.length} hosts ${failed.length === 1 ? "was" : "were"} not ${what}`,
    failed.flatMap(({ host, error }) => [`${host}: ${error.message}`, ...error.detail.map((line) => `  ${line}`)]),
  );
}
