/** `npm run bench`: what is measured, each beside what it should be. Ratios, so that they mean the same on any machine. */
import { benchActivation } from "./activation.ts";
import { benchModules } from "./modules.ts";
import { report } from "./rows.ts";
import { benchWipe } from "./wipe.ts";

report([...benchModules(), ...(await benchWipe()), ...(await benchActivation())]);
