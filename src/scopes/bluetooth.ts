/** Bluetooth. */

import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const bluetooth = defineModule(
  {
    options: {
      hardware: {
        bluetooth: {
          enable: mkEnableOption("Bluetooth"),
          powerOnBoot: mkOption({
            type: types.bool,
            default: true,
            description: "Whether adapters are powered on at boot.",
          }),
        },
      },
    },
  },
  mkIf(({ hardware }) => hardware.bluetooth.enable, {
    environment: {
      systemPackages: ["bluez"],
      etc: {
        "bluetooth/main.conf": {
          text: ({ hardware }) => `[Policy]\nAutoEnable=${hardware.bluetooth.powerOnBoot}`,
        },
      },
      persistence: persisted({
        directories: [
          { directory: "/var/lib/bluetooth", mode: "0700", purpose: "paired Bluetooth devices and adapters" },
        ],
      }),
    },
  }),
);

export const bluetoothOnNixos: OnNixos<ScopeConfig<typeof bluetooth>> = {
  enabled: ({ hardware }) => hardware.bluetooth.enable,
  options: ({ hardware }) => ({
    hardware: { bluetooth: { enable: true, powerOnBoot: hardware.bluetooth.powerOnBoot } },
  }),
  packages: ["bluez"],
  etc: /^bluetooth\/main\.conf$/,
};
