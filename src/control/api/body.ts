/** A request's body: JSON, neither too large, nor too deep to be read. */
import type { IncomingMessage } from "node:http";
import { Refusal } from "./refusal.ts";

export const USUAL_LIMIT = 256 * 1024;
const DEEPEST = 20;

/** @returns undefined if there is none @throws Refusal */
export async function jsonBody(request: IncomingMessage, limit: number): Promise<unknown> {
  const text = await textBody(request, limit);
  if (text === "") return undefined;
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    throw new Refusal(415, "the body is to be JSON, with Content-Type: application/json");
  }
  if (isDeep(text)) throw new Refusal(400, `the body is nested deeper than ${DEEPEST}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "the body is not JSON");
  }
}

async function textBody(request: IncomingMessage, limit: number): Promise<string> {
  const tooLarge = new Refusal(413, `the body is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge;
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of request) {
      size += part.length;
      if (size > limit) throw tooLarge;
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof Refusal ? error : new Refusal(408, "the body has not arrived");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
  } catch {
    throw new Refusal(400, "the body is not UTF-8");
  }
}

/** Counts brackets outside of strings, before the text is parsed. One pass: whatever somebody sends, it takes no longer than its length. */
function isDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (inString) {
      if (character === "\\") index += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "[" || character === "{") {
      depth += 1;
      if (depth > DEEPEST) return true;
    } else if (character === "]" || character === "}") depth -= 1;
  }
  return false;
}
