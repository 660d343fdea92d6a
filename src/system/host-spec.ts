/** Who the host is. */
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

export const hostSpecOptions = {
  hostSpec: {
    hostName: mkOption({
      type: types.strMatching(
        /[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?/,
        "a host name as in RFC 1123: 1 to 63 letters, digits and hyphens, with no hyphen at either end",
      ),
      readOnly: true,
      description: "The host's name. Set by mkHost; no module can change it.",
    }),
    platform: mkOption({
      type: types.enum(["x86_64-linux", "aarch64-linux"]),
      readOnly: true,
      description: "The processor and system that the host runs on. Set by mkHost.",
    }),
    userName: mkOption({
      type: types.strMatching(
        /[A-Za-z_][A-Za-z0-9_.-]{0,30}/,
        "a user name: letters, digits, `_`, `-` and `.`, at most 31 characters",
      ),
      default: "user",
      example: "alice",
      description: "The primary user: the person who owns the machine.",
    }),
    isGraphical: mkOption({
      type: types.bool,
      default: false,
      description: "Whether a person works at a screen of the host.",
    }),
    timeZone: mkOption({
      type: types.strMatching(/[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*/, "a time zone such as Europe/Paris"),
      default: "UTC",
      example: "Europe/Paris",
      description: "The time zone, as named in /usr/share/zoneinfo.",
    }),
    locale: mkOption({
      type: types.strMatching(/C\.UTF-8|[a-z]{2,3}_[A-Z]{2}\.UTF-8(@[a-z]+)?/, "a UTF-8 locale such as en_US.UTF-8"),
      default: "C.UTF-8",
      example: "en_US.UTF-8",
      description: "The language and formats of the system.",
    }),
    keyMap: mkOption({
      type: types.nonEmptyStr,
      default: "us",
      example: "de-latin1",
      description: "The console's key map.",
    }),
  },
} as const;

/** Whether the zone is in the time zone database; Node carries a copy of it. */
export function isTimeZone(timeZone: string): boolean {
  if (known.has(timeZone)) return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    return false;
  }
  known.add(timeZone);
  return true;
}

/** Asking costs as much as half of a host. */
const known = new Set<string>();
