/** An answer over HTTP, in memory. */
import type { IncomingMessage } from "node:http";

/** @param largest in bytes: nobody's answer fills the memory @throws Error where it is larger, or ends before its end */
export async function wholeAnswer(answer: IncomingMessage, largest: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer) {
    length += part.length;
    if (length > largest) throw new Error("its answer is too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
