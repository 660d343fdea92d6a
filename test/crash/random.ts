/** Random numbers that a seed repeats, so that a failure can be looked at again. */

export interface Random {
  /** Below `limit`, from 0. */
  readonly below: (limit: number) => number;
  /** True this often, between 0 and 1. */
  readonly chance: (probability: number) => boolean;
}

/** That of `NIXFLEET_SEED`, which a failure prints, or another each time. */
export const SEED = Number(process.env.NIXFLEET_SEED ?? Date.now() % 0x7fffffff);

/** mulberry32, by Tommy Ettinger (public domain). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { below: (limit) => Math.floor(next() * limit), chance: (probability) => next() < probability };
}
