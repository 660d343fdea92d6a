/** Packages that are not where the host's come from. */
import type { SystemConfig } from "../../system/options.ts";
import type { PlanProblem } from "../problem.ts";

export function firmwareProblems({ environment, nixfleet }: SystemConfig): PlanProblem[] {
  const { suite, archive } = nixfleet.debian;
  const has = (component: string) => archive.some((line) => line.split(/\s+/).includes(component));
  if (has("non-free-firmware") || has("non-free")) return [];
  return environment.systemPackages
    .filter((name) => NON_FREE.some((pattern) => pattern.test(name)))
    .map((name) => ({
      what: `environment.systemPackages: ${name} is not in Debian's main archive, but in non-free-firmware`,
      at: [],
      fix: `add "deb http://deb.debian.org/debian ${suite} main non-free-firmware" to nixfleet.debian.archive`,
      option: ["environment", "systemPackages", { element: name }],
    }));
}

/** Of trixie's firmware packages, all but these are free. */
const NON_FREE = [
  /^(amd64|intel)-microcode$/,
  /^firmware-(?!linux-free$|ath9k-htc$|carl9170$|ast$|free$|b43-installer$|b43legacy-installer$|microbit-micropython)/,
];
