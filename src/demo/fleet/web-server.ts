/** A plain web server of a folder, such as a content repository needs. */
import { once } from "node:events";
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { Hono } from "hono";

export interface WebServer extends AsyncDisposable {
  readonly port: number;
}

/** On any free port of 127.0.0.1. */
export async function webServer(folder: string): Promise<WebServer> {
  const application = new Hono().use(serveStatic({ root: folder }));
  const server = createAdaptorServer({ fetch: application.fetch }) as Server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
