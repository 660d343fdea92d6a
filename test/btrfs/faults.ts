/** Each fault that a wipe may meet. docs/wipe.md lists them. */
import type { Fault } from "./fault.ts";
import { FILESYSTEM_FAULTS } from "./faults-filesystem.ts";
import { MEANS_FAULTS } from "./faults-means.ts";
import { PRUNING_FAULTS } from "./faults-pruning.ts";
import { ROOM_FAULTS } from "./faults-room.ts";
import { ROOT_FAULTS } from "./faults-root.ts";

export const FAULTS: readonly Fault[] = [
  ...FILESYSTEM_FAULTS,
  ...ROOT_FAULTS,
  ...MEANS_FAULTS,
  ...ROOM_FAULTS,
  ...PRUNING_FAULTS,
];
