/** Names in hostSpec that Debian has to know. */
import { nearestName } from "../../modules/errors.ts";
import { isTimeZone } from "../../system/host-spec.ts";
import { LOCALES } from "../../system/locales.ts";
import type { SystemConfig } from "../../system/options.ts";
import type { PlanProblem } from "../problem.ts";

export function timeZoneProblems({ hostSpec: { timeZone } }: SystemConfig): PlanProblem[] {
  if (isTimeZone(timeZone)) return [];
  const nearest = nearestName(timeZone, Intl.supportedValuesOf("timeZone"));
  const fix = nearest === undefined ? "`timedatectl list-timezones` lists them" : `did you mean ${nearest}?`;
  return [
    { what: `hostSpec.timeZone: there is no time zone ${timeZone}`, at: [], fix, option: ["hostSpec", "timeZone"] },
  ];
}

export function localeProblems({ hostSpec: { locale } }: SystemConfig): PlanProblem[] {
  if (locale === "C.UTF-8" || known.has(locale.replace(".UTF-8", ""))) return [];
  const nearest = nearestName(locale.replace(".UTF-8", ""), LOCALES);
  const [language, modifier = ""] = (nearest ?? "").split("@");
  const written = `${language}.UTF-8${modifier === "" ? "" : `@${modifier}`}`;
  const fix =
    nearest === undefined
      ? "/usr/share/i18n/SUPPORTED of Debian's package locales lists them"
      : `did you mean ${written}?`;
  return [{ what: `hostSpec.locale: Debian has no locale ${locale}`, at: [], fix, option: ["hostSpec", "locale"] }];
}

const known = new Set(LOCALES);
