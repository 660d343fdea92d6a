/**
 * The steady clock, by which machines are late and waves are soaked. It never goes back, and passes at most a minute between two
 * ticks: when the control plane was down for a day, or its clock jumps, no machine is late because of it.
 */
export interface Clock {
  /** In seconds. */
  readonly steady: number;
  /** What the computer's clock said at the last tick, in seconds. */
  readonly wall: number;
}

const LONGEST_TICK = 60;

export function tick(clock: Clock, wall: number): Clock {
  const passed = Math.min(Math.max(wall - clock.wall, 0), LONGEST_TICK);
  return { steady: clock.steady + passed, wall };
}
