/** The primary user of `hostSpec` has an account. */
import { mkDefault } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";

export const primaryUser = defineModule(
  {},
  {
    users: {
      users: ({ hostSpec }) => ({ [hostSpec.userName]: { uid: mkDefault(1000) } }),
    },
  },
);

export const primaryUserOnNixos: OnNixos<ScopeConfig<typeof primaryUser>> = {
  // An account like any other.
  enabled: () => true,
};
