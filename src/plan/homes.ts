/** The homes of declared users. */

import { isWithin } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";

export interface Home {
  readonly path: string;
  readonly user: string;
  readonly group: string;
}

/** By user name; root's among them. */
export function homesOf(config: SystemConfig): Map<string, Home> {
  const homes = new Map<string, Home>([["root", { path: "/root", user: "root", group: "root" }]]);
  for (const { name, home, group } of Object.values(config.users.users)) {
    if (name !== "root") homes.set(name, { path: home, user: name, group });
  }
  return homes;
}

/** The innermost home that holds a path, or is it. */
export function homeAt(path: string, homes: Iterable<Home>): Home | undefined {
  const around = [...homes].filter((home) => home.path !== "/" && isWithin(path, home.path));
  return around.sort((a, b) => b.path.length - a.path.length)[0];
}
