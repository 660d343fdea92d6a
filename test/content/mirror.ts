/** A web server of a folder, as it should be, or as somebody hostile runs it. */
import { once } from "node:events";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";

export interface Mirror extends AsyncDisposable {
  readonly url: string;
  /** The paths that were asked for. */
  readonly asked: string[];
  /** What it sent, headers aside, in bytes. */
  sent: number;
}

/** Answers in place of the file, or says that it does not. */
export type Answer = (
  path: string,
  response: ServerResponse,
  content: () => Buffer,
  request: IncomingMessage,
) => boolean;

/** A plain static server, which knows ranges. */
export async function mirror(folder: string, answer: Answer = () => false): Promise<Mirror> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").slice(1);
    asked.push(path);
    response.on("error", () => {});
    const file = join(folder, path);
    if (answer(path, response, () => readFileSync(file), request)) return;
    if (!existsSync(file)) return void response.writeHead(404).end("there is no such file");
    const { size } = statSync(file);
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (start >= size) return void response.writeHead(416, { "content-range": `bytes */${size}` }).end();
    const range = { "content-range": `bytes ${start}-${size - 1}/${size}`, "content-length": size - start };
    response.writeHead(start > 0 ? 206 : 200, start > 0 ? range : { "content-length": size });
    createReadStream(file, { start })
      .on("data", (chunk) => {
        made.sent += chunk.length;
      })
      .pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const made: Mirror = {
    url: `http://127.0.0.1:${port}`,
    asked,
    sent: 0,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return made;
}
