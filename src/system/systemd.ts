/** systemd units. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

const single = types.oneOf([types.strMatching(/[^\n]*/, "one line of text"), types.int, types.bool]);
const setting = types.either(listOf(single), single);
const unitNames = listOf(
  types.strMatching(/[A-Za-z0-9:_.\\@-]+\.[a-z]+/, "the full name of a unit, such as network.target"),
);

const section = (name: string) =>
  mkOption({
    type: attrsOf(setting),
    default: {},
    description: `Settings of the section [${name}]. A list writes a setting several times.`,
  });

const dependencies = {
  enable: mkOption({ type: types.bool, default: true, description: "false: the unit is masked." }),
  wantedBy: mkOption({ type: unitNames, default: [], description: "Units that start this one." }),
  requiredBy: mkOption({ type: unitNames, default: [], description: "Units that fail without this one." }),
} as const;

export const systemdOptions = {
  systemd: {
    services: mkOption({
      type: attrsOf(
        submodule({
          ...dependencies,
          description: mkOption({
            type: types.strMatching(/[^\n]*/, "one line of text"),
            default: "",
            description: "What the service does, in a few words.",
          }),
          after: mkOption({ type: unitNames, default: [], description: "Units that start before this one." }),
          before: mkOption({ type: unitNames, default: [], description: "Units that start after this one." }),
          wants: mkOption({ type: unitNames, default: [], description: "Units that this one starts." }),
          requires: mkOption({ type: unitNames, default: [], description: "Units that this one cannot run without." }),
          environment: mkOption({
            type: attrsOf(types.strMatching(/[^\n]*/, "one line of text")),
            default: {},
            description: "Environment variables.",
          }),
          unitConfig: section("Unit"),
          serviceConfig: section("Service"),
        }),
      ),
      default: {},
      description: "Services, by name without `.service`.",
    }),
    units: mkOption({
      type: attrsOf(
        submodule({
          ...dependencies,
          sections: mkOption({
            type: types.nullOr(attrsOf(attrsOf(setting))),
            default: null,
            description:
              "The unit's sections. null: the unit comes with a Debian package, and these options only enable or mask it.",
          }),
        }),
      ),
      default: {},
      example: { "backup.timer": { wantedBy: ["timers.target"], sections: { Timer: { OnCalendar: "daily" } } } },
      description: "Units of any kind, by full name.",
    }),
  },
} as const;

/** One value of a setting, or several. */
export type UnitSetting = string | number | boolean | readonly (string | number | boolean)[];
