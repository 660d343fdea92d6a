/** `nixfleet login URL`: keeps where the control plane is, and the API key, which is read from a file or from stdin. */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { ask, writeLogin } from "../control/client.ts";
import { UserError } from "../errors.ts";
import { print, say } from "./output.ts";

interface Options {
  readonly authority?: string;
  readonly keyFile?: string;
}

export async function login(url: string, options: Options): Promise<void> {
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") {
    throw new UserError(`${url} is not the address of a control plane`, ["wanted https://HOST:PORT"]);
  }
  const authority = options.authority === undefined ? null : await read(options.authority);
  if (options.keyFile === undefined && process.stdin.isTTY) say("the API key, then Enter and Ctrl-D:");
  const key = (options.keyFile === undefined ? await text(process.stdin) : await read(options.keyFile)).trim();
  if (!/^nfk_\w+_[\w-]+$/.test(key))
    throw new UserError("that is not an API key", ["wanted nfk_…, as the control plane shows it once"]);
  const made = { url: new URL(url).origin, authority, key };
  await ask(made, "GET", "/machines", { query: { limit: "1" } });
  print(`logged in to ${made.url}: ${await writeLogin(made)}`);
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UserError(`${file} cannot be read`, [error instanceof Error ? error.message : String(error)]);
  }
}
