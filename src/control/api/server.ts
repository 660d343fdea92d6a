/** The HTTPS server. A certificate is asked for, and not required: operators come with a key. */
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./app.ts";
import type { Pem } from "./authority.ts";
import { type Door, putDoorBefore } from "./door.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly identity: Pem;
  /** Who signs agents' certificates. */
  readonly authority: string;
}

export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** Another certificate from here on. */
  renew(identity: Pem): void;
}

/** How long a request may take from its first byte to its last, in milliseconds: a slow client has no connection for ever. */
export const SLOWEST = 30_000;

/** As many as Linux lets wait (net.core.somaxconn); whoever is beyond comes again by itself, later and later. */
const BACKLOG = 4096;

export async function listen(app: App, { host, port, identity, authority }: ServerOptions): Promise<Listening> {
  const tls = ({ certificate, key }: Pem) => ({
    cert: certificate,
    key,
    ca: authority,
    minVersion: "TLSv1.3" as const,
  });
  const server = createServer(
    {
      ...tls(identity),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: SLOWEST,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 75_000,
      maxHeaderSize: 16 * 1024,
    },
    getRequestListener((request, env) => app.fetch(request, env), { overrideGlobalObjects: false }),
  );
  const door = putDoorBefore(server);
  server.on("tlsClientError", () => {}); // somebody else's affair
  server.listen({ port, host, backlog: BACKLOG });
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    renew: (next) => server.setSecureContext(tls(next)),
    [Symbol.asyncDispose]: () => closed(server, door),
  };
}

/** Whoever is being answered is answered. */
async function closed(server: Server, door: Door): Promise<void> {
  const end = once(server, "close");
  server.close();
  server.closeIdleConnections();
  setTimeout(() => door.shut(), 5_000).unref();
  await end;
}
