/** Which of the many points at which the power may be cut are tried. */
import type { Cut, Recording } from "./power-cut.ts";
import type { Random } from "./random.ts";

/** Before and after every flush, where what lasts changes, and others at random: at least `count`. */
export function chooseCuts({ requests }: Pick<Recording, "requests">, count: number, random: Random): readonly Cut[] {
  const flushes = requests.flatMap(({ kind }, index) => (kind === "flush" ? [index] : []));
  const atFlushes = flushes.flatMap((index): Cut[] => [
    { count: index, leaves: "none" },
    { count: index, leaves: "all" },
  ]);
  const others = Array.from(
    { length: Math.max(0, count - atFlushes.length) },
    (): Cut => ({
      count: random.below(requests.length + 1),
      leaves: random.chance(0.7) ? "some" : random.chance(0.5) ? "all" : "none",
    }),
  );
  return [...atFlushes, ...others];
}
