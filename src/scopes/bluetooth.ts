/** Bluetooth. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
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
            description: "Whether adapters are on without anybody asking for it.",
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
