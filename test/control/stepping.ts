/** A control plane that does nothing but run the rollouts, a thousand times as fast, until it is killed. */

import { step } from "../../src/control/step.ts";
import { openDatabase } from "../../src/control/store/database.ts";
import { Leader } from "../../src/control/store/leader.ts";

const db = await openDatabase(process.argv[2] ?? "");
const leader = new Leader(db, `process ${process.pid}`);
process.stdout.write("runs\n");
for (;;) {
  // Another one takes over after 75 ms.
  await step(db, leader, { awayAfter: 300, wall: Date.now() / 1000, watch: performance.now() * 200 });
  await new Promise((later) => setTimeout(later, 3));
}
