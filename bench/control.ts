/** What the control plane bears. `node bench/control.ts [history|month]` runs it, or a part, alone; docs/fleet.md says what it showed. */
import { join } from "node:path";
import { DATABASE_FILE } from "../src/control/state-folder.ts";
import { openDatabase } from "../src/control/store/database.ts";
import { countEnded } from "../src/control/store/rollout-counts.ts";
import { temporaryFolder } from "../src/local/resources.ts";
import { fillHistory } from "./control/history.ts";
import { listRows } from "./control/lists.ts";
import { benchLoad } from "./control/load.ts";
import { benchMonth } from "./control/month.ts";
import { pinnedPlane } from "./control/pinned-plane.ts";
import { stepRows } from "./control/step.ts";
import { type BenchRow, report } from "./rows.ts";

export async function benchControl(): Promise<readonly BenchRow[]> {
  return [...(await benchHistory()), ...(await benchMonth()), ...(await benchLoad())];
}

async function benchHistory(): Promise<readonly BenchRow[]> {
  await using folder = await temporaryFolder("/var/tmp");
  const file = join(folder.path, DATABASE_FILE);
  const key = await fillHistory(file);
  const db = await openDatabase(file);
  while ((await db.selectFrom("rollouts").where("counts", "is", null).select("id").execute()).length > 1)
    await countEnded(db);
  const steps = await stepRows(db);
  await db.destroy();
  await using plane = await pinnedPlane(folder.path);
  return [...steps, ...(await listRows(plane, key))];
}

if (import.meta.main) {
  const [, , part] = process.argv;
  report(part === "history" ? await benchHistory() : part === "month" ? await benchMonth() : await benchControl());
}
