/** The agent's side of the API: TLS in which each side shows its certificate. */
import { request } from "node:https";
import { UserError } from "../errors.ts";
import { wholeAnswer } from "../local/whole-answer.ts";
import { problem } from "../wire/problem.ts";
import type { Identity } from "./identity.ts";

/** No answer, or none of a control plane's: it changes nothing, and comes again. */
export class Unanswered extends UserError {}

/** It answered, and says no. */
export class Denied extends UserError {
  readonly status: number;

  constructor(status: number, message: string, detail: readonly string[]) {
    super(message, detail);
    this.status = status;
  }
}

export interface Connection {
  readonly url: string;
  /** In PEM: nobody else is believed. */
  readonly authority: string;
  readonly identity: Identity | null;
}

/** So that no answer fills the memory. */
const LARGEST = 1024 * 1024;
/** None takes for ever. After an outage all hosts ask at once, and a large fleet waits in a line of half a minute. */
const SLOWEST = 45_000;

/** @throws Unanswered, Denied */
export async function send(
  connection: Connection,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
): Promise<unknown> {
  const url = new URL(`/api/v1/agent/${path}`, connection.url);
  const { status, text } = await exchange(connection, url, method, body === undefined ? "" : JSON.stringify(body));
  const value = parsed(text);
  if (status >= 200 && status < 300 && value !== undefined) return value;
  const said = problem.safeParse(value);
  if (status >= 400 && status < 500 && said.success) throw new Denied(status, said.data.detail, said.data.errors ?? []);
  throw new Unanswered(`${url.origin} answers ${status}`, said.success ? [said.data.detail] : []);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function exchange({ authority, identity }: Connection, url: URL, method: string, text: string) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const fail = (error: Error) => reject(new Unanswered(`${url.origin} cannot be reached: ${error.message}`));
    const asked = request(
      url,
      {
        method,
        ca: authority,
        minVersion: "TLSv1.3",
        ...(identity === null ? {} : { cert: identity.certificate, key: identity.key }),
        headers: text === "" ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) },
        signal: AbortSignal.timeout(SLOWEST),
      },
      (answer) =>
        wholeAnswer(answer, LARGEST).then((body) => resolve({ status: answer.statusCode ?? 0, text: body }), fail),
    );
    asked.on("error", fail);
    asked.end(text);
  });
}
