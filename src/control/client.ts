/** An operator's side of the API: where the control plane is, what certificate it has to have, and the key. */
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { writeDurably } from "../local/durable-file.ts";
import { fileLock } from "../local/file-lock.ts";
import { wholeAnswer } from "../local/whole-answer.ts";
import { problem } from "../wire/problem.ts";

const loginSchema = z.strictObject({ url: z.url(), authority: z.string().nullable(), key: z.string() });

export type Login = z.infer<typeof loginSchema>;

export interface Sent {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly idempotencyKey?: string;
}

/** So that no answer fills the memory. */
const LARGEST = 64 * 1024 * 1024;
const SLOWEST = 30_000;

/** @param path below `/api/v1` @returns what it answers, read as JSON if it is @throws UserError with what the control plane says */
export async function ask(login: Login, method: string, path: string, sent: Sent = {}): Promise<unknown> {
  const url = new URL(`/api/v1${path}`, login.url);
  for (const [name, value] of Object.entries(sent.query ?? {}))
    if (value !== undefined) url.searchParams.set(name, value);
  const text = sent.body === undefined ? "" : JSON.stringify(sent.body);
  const answered = await exchange(login, url, method, text, sent.idempotencyKey);
  const isJson = /json/.test(answered.type);
  const value: unknown = isJson && answered.text !== "" ? JSON.parse(answered.text) : answered.text;
  if (answered.status < 400) return value;
  const { success, data } = problem.safeParse(value);
  if (!success) throw new UserError(`${url.origin} answers ${answered.status}`, ["is that a control plane?"]);
  throw new UserError(`the control plane refuses: ${data.detail}`, data.errors ?? []);
}

function exchange(login: Login, url: URL, method: string, text: string, idempotencyKey: string | undefined) {
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const headers = {
      Authorization: `Bearer ${login.key}`,
      ...(text === "" ? {} : { "Content-Type": "application/json" }),
      ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
    };
    const trust = login.authority === null ? {} : { ca: login.authority };
    const fail = (error: Error) =>
      reject(new UserError(`${url.origin} cannot be reached: ${error.message}`, hints(error)));
    const asked = request(url, { method, headers, timeout: SLOWEST, ...trust }, (answer) => {
      wholeAnswer(answer, LARGEST).then(
        (body) => resolve({ status: answer.statusCode ?? 0, type: answer.headers["content-type"] ?? "", text: body }),
        fail,
      );
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer in ${SLOWEST / 1000} s`)));
    asked.on("error", fail);
    asked.end(text);
  });
}

function hints(error: Error): readonly string[] {
  const code = "code" in error ? String(error.code) : "";
  if (/SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code)) {
    return [
      "its certificate is not one that you trust: log in again with --authority and the control plane's authority.crt",
    ];
  }
  return code === "ERR_TLS_CERT_ALTNAME_INVALID"
    ? ["start the control plane with --name and the name that you use"]
    : [];
}

function loginFile(): string {
  const config = process.env.XDG_CONFIG_HOME;
  return join(config === undefined || config === "" ? join(homedir(), ".config") : config, "nixfleet", "login.json");
}

/** @throws UserError if nobody has logged in */
export async function readLogin(): Promise<Login> {
  const file = loginFile();
  try {
    return loginSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    throw new UserError("you are not logged in to a control plane", [
      `run: nixfleet login URL --authority FILE (${file} is not there, or is damaged)`,
    ]);
  }
}

/** @returns where it is now; it is there whole, for its user alone, or as it was before */
export async function writeLogin(login: Login): Promise<string> {
  const file = loginFile();
  await using _alone = await fileLock(`${file}.lock`);
  await writeDurably(file, `${JSON.stringify(login, null, 2)}\n`, 0o600);
  return file;
}
