/**
 * node killed-agent.ts PLACES N: the agent as a process of its own, which is killed before its N-th step (from 0), where a step is a
 * file that it puts in place, a script that it starts, a request; or right after it has started a script.
 */
import childProcess from "node:child_process";
import fs from "node:fs/promises";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import type { Places } from "../../src/agent/places.ts";

const places: Places = JSON.parse(process.argv[2] ?? "");
let left = Number(process.argv[3]);

function step(): void {
  if (left === 0) process.kill(process.pid, "SIGKILL");
  left -= 1;
}

const { spawn } = childProcess;
childProcess.spawn = ((...args: Parameters<typeof spawn>) => {
  const changes = args[0] === "sh"; // other programs only tell
  if (changes) step();
  const child = spawn(...args);
  if (changes) step();
  return child;
}) as typeof spawn;
const { rename, writeFile } = fs;
fs.rename = (...args) => {
  step();
  return rename(...args);
};
fs.writeFile = (...args) => {
  if (String(args[0]).startsWith(places.runtime)) step(); // others are drafts
  return writeFile(...args);
};
const { request } = https;
https.request = ((...args: Parameters<typeof request>) => {
  step();
  return request(...args);
}) as typeof request;
syncBuiltinESMExports();

const { runAgent } = await import("../../src/agent/run.ts");
await runAgent(places, process.execPath, (line) => console.log(line));
