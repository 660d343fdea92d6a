/** Files of a mirror for the TUF client: no redirect is followed, no more is read than was asked for, nothing waits for ever. */
import { createReadStream } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Fetcher } from "tuf-js";
import { DownloadHTTPError } from "tuf-js/dist/error.js";
import { ReleaseError } from "./error.ts";

export interface Patience {
  /** How long nothing may come, in milliseconds. */
  readonly silence: number;
  /** How long a mirror may take for all that is asked of it, in milliseconds. */
  readonly whole: number;
}

export const PATIENCE: Patience = { silence: 15_000, whole: 300_000 };

export interface MirrorFetcher extends Fetcher {
  /** Why the mirror did not send a file. The updater wraps what it catches, and says no more. */
  readonly failure: () => ReleaseError | null;
}

/** @param scratch a folder for what is downloaded */
export function mirrorFetcher(scratch: string, { silence, whole }: Patience): MirrorFetcher {
  const end = AbortSignal.timeout(whole);
  let failure: ReleaseError | null = null;
  const fail = (reason: ReleaseError): ReleaseError => {
    failure = reason;
    return reason;
  };

  async function downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const quiet = new AbortController();
    const ticking = setTimeout(() => quiet.abort(), silence);
    const parts: Buffer[] = [];
    let size = 0;
    try {
      const stream = await opened(new URL(url), AbortSignal.any([end, quiet.signal]));
      for await (const part of stream) {
        ticking.refresh();
        size += part.length;
        // Leaving the loop destroys the stream, and the connection with it.
        if (size > maxLength) throw fail(new ReleaseError("wrongContent", `${url} has more than ${maxLength} bytes`));
        parts.push(part);
      }
    } catch (error) {
      if (error instanceof ReleaseError) throw fail(error);
      if (error instanceof DownloadHTTPError) {
        fail(new ReleaseError("unreachable", `${url} is not there: ${error.statusCode}`));
        throw error;
      }
      if (end.aborted) throw fail(new ReleaseError("unreachable", `${url}: the mirror took over ${whole / 1000} s`));
      if (quiet.signal.aborted)
        throw fail(new ReleaseError("unreachable", `${url}: nothing came for ${silence / 1000} s`));
      throw fail(new ReleaseError("unreachable", `${url}: ${error instanceof Error ? error.message : String(error)}`));
    } finally {
      clearTimeout(ticking);
    }
    failure = null;
    return Buffer.concat(parts);
  }

  return {
    failure: () => failure,
    downloadBytes,
    async downloadFile(url, maxLength, handler) {
      const file = join(scratch, "download");
      await writeFile(file, await downloadBytes(url, maxLength));
      return handler(file);
    },
  };
}

async function opened(url: URL, signal: AbortSignal): Promise<Readable> {
  if (url.protocol === "file:") {
    const path = fileURLToPath(url);
    const found = await stat(path).catch(() => null);
    if (found === null) throw new DownloadHTTPError("no such file", 404);
    // A pipe or a device might never end.
    if (!found.isFile()) throw new ReleaseError("unreachable", `${path} is no file`);
    return createReadStream(path, { signal });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new ReleaseError("unreachable", `${url} is no URL of a mirror: wanted https, http or file`);
  }
  return new Promise((resolve, reject) => {
    const { get } = url.protocol === "https:" ? https : http;
    const asked = get(url, { signal, headers: { "accept-encoding": "identity" } }, (answer) => {
      const status = answer.statusCode ?? 0;
      if (status === 200) return resolve(answer);
      answer.destroy();
      reject(new DownloadHTTPError(status < 400 ? "redirections are not followed" : "refused", status));
    });
    asked.on("error", reject);
  });
}
