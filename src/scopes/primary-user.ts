/** The primary user of `hostSpec` has an account. */
import { mkDefault } from "../modules/definition.ts";
import { defineModule } from "../system/options.ts";

export const primaryUser = defineModule(
  {},
  {
    users: {
      users: ({ hostSpec }) => ({ [hostSpec.userName]: { uid: mkDefault(1000) } }),
    },
  },
);
