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
    const signal = AbortSignal.timeout(SLOWEST);
    const fail = (error: Error) => reject(unanswered(url, signal.aborted ? `no answer in ${SLOWEST / 1000} s` : error));
    const asked = request(
      url,
      {
        method,
        ca: authority,
        minVersion: "TLSv1.3",
        ...(identity === null ? {} : { cert: identity.certificate, key: identity.key }),
        headers: text === "" ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) },
        signal,
      },
      (answer) =>
        wholeAnswer(answer, LARGEST).then((body) => resolve({ status: answer.statusCode ?? 0, text: body }), fail),
    );
    asked.on("error", fail);
    asked.end(text);
  });
}

function unanswered({ origin }: URL, why: Error | string): Unanswered {
  if (typeof why === "string") return new Unanswered(`${origin} cannot be reached: ${why}`);
  // A board without a battery starts in 1970: then every certificate is of the future.
  const isOfAnotherTime = "code" in why && ["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"].includes(String(why.code));
  const detail = isOfAnotherTime ? [`this host's clock says ${new Date().toISOString()}: set it if that is wrong`] : [];
  return new Unanswered(`${origin} cannot be reached: ${why.message}`, detail);
}
