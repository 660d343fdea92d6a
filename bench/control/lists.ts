/** How long every list and page of the API takes, over HTTPS, with 100,000 machines and a long history in the database. */
import { request } from "node:https";
import { ROUTES } from "../../src/control/api/routes.ts";
import { wholeAnswer } from "../../src/local/whole-answer.ts";
import type { BenchRow } from "../rows.ts";
import { ROLLOUT, releaseName } from "./history.ts";
import type { PinnedPlane } from "./pinned-plane.ts";

const WANTED = 200;
const TIMES = 5;

const [RELEASE, OTHER] = [releaseName(3), releaseName(4)];
/** Each as whoever looks for trouble would ask: the longest page, the last one, and what finds nothing. */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  "/machines": [
    "",
    "?limit=500",
    "?limit=500&cursor=m9",
    "?limit=500&tag=web",
    "?tag=nobody",
    "?lifecycle=maintenance",
    "?outcome=unhealthy",
    "?lifecycle=active&outcome=unhealthy",
    "?outcome=unhealthy&tag=web",
  ],
  "/machines/:machine": [""],
  "/machines/:machine/events": ["?limit=500"],
  "/releases": ["", "?limit=500"],
  "/releases/:release": [""],
  "/releases/:release/diff/:other": [""],
  "/rollouts": ["", "?limit=500", "?status=failed"],
  "/rollouts/:rollout": [""],
  "/rollouts/:rollout/machines": ["?limit=500", "?limit=500&cursor=m9"],
  "/fleet": [""],
  "/keys": [""],
  "/audit": [
    "?limit=500",
    "?limit=500&cursor=600",
    "?who=nobody",
    "?action=nothing",
    "?subject=m77",
    "?limit=500&format=csv",
    "?action=machine.renew&subject=nobody",
    "?action=machine.renew&who=key%20bench",
  ],
};

export async function listRows(plane: PinnedPlane, key: string): Promise<readonly BenchRow[]> {
  const paths = ["/metrics"];
  for (const { path, method, who } of ROUTES) {
    if (method !== "get" || who === "agent" || who === "anyone") continue;
    const queries = ASKED[path];
    if (queries === undefined) throw new Error(`nobody has said how ${path} is to be measured`);
    const filled = path.replace(":machine", "m77777").replace(":release", RELEASE).replace(":other", OTHER);
    for (const query of queries) paths.push(`/api/v1${filled.replace(":rollout", ROLLOUT)}${query}`);
  }
  const rows: BenchRow[] = [];
  for (const path of paths) {
    const took: number[] = [];
    for (let times = 0; times < TIMES; times++) took.push(await answerTakes(plane, key, path));
    const median = took.sort((one, other) => one - other)[Math.floor(TIMES / 2)] ?? Number.NaN;
    rows.push({
      what: `GET ${path.replace("/api/v1", "").replaceAll(/a{20,}/g, "…")}`,
      measured: `${median.toFixed(0)} ms`,
      ratio: median / WANTED,
      wanted: `at most ${WANTED} ms`,
      holds: median <= WANTED,
    });
  }
  return rows;
}

/** In milliseconds, with its whole content. */
async function answerTakes({ at }: PinnedPlane, key: string, path: string): Promise<number> {
  const begin = performance.now();
  await new Promise<void>((resolve, reject) => {
    const headers = { Authorization: `Bearer ${key}` };
    request(new URL(path, at.url), { ca: at.authority, headers }, (answer) => {
      wholeAnswer(answer, 64 * 1024 * 1024).then(
        (text) => (answer.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${answer.statusCode} ${text}`))),
        reject,
      );
    })
      .on("error", reject)
      .end();
  });
  return performance.now() - begin;
}
