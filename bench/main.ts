/** `npm run bench`: what is measured, each beside what it should be. Ratios, so that they mean the same on any machine. */
import { benchActivation } from "./activation.ts";
import { benchControl } from "./control.ts";
import { benchDrift } from "./drift.ts";
import { benchModules } from "./modules.ts";
import { report } from "./rows.ts";
import { benchTransfer } from "./transfer.ts";
import { benchWipe } from "./wipe.ts";

report([
  ...benchModules(),
  ...(await benchControl()),
  ...(await benchWipe()),
  ...(await benchActivation()),
  ...(await benchDrift()),
  ...(await benchTransfer()),
]);
