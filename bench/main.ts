/** `npm run bench`: what is measured, each beside what it should be. Ratios, so that they mean the same on any machine. */
import { benchActivation } from "./activation.ts";
import { benchDrift } from "./drift.ts";
import { benchModules } from "./modules.ts";
import { benchRollout } from "./rollout.ts";
import { report } from "./rows.ts";
import { benchTransfer } from "./transfer.ts";
import { benchWipe } from "./wipe.ts";

report([
  ...benchModules(),
  ...(await benchRollout()),
  ...(await benchWipe()),
  ...(await benchActivation()),
  ...(await benchDrift()),
  ...(await benchTransfer()),
]);
