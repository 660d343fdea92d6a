/** A control plane for a test, with real TLS, and clients of it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ControlPlane, controlPlane } from "../../src/control/serve.ts";
import { type TemporaryFolder, temporaryFolder } from "../../src/local/resources.ts";

const run = promisify(execFile);

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: ReturnType<typeof JSON.parse>;
}

export interface Asking {
  readonly key?: string | undefined;
  readonly certificate?: { readonly certificate: string; readonly key: string } | undefined;
  readonly body?: unknown;
  /** As it is, in place of JSON. */
  readonly raw?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Plane {
  readonly plane: ControlPlane;
  readonly folder: TemporaryFolder;
  readonly log: string[];
  /** An admin's. */
  readonly key: string;

  /** They are kept, as agents keep theirs. */
  readonly #connections = new Agent({ keepAlive: true });

  private constructor(plane: ControlPlane, folder: TemporaryFolder, log: string[]) {
    this.plane = plane;
    this.folder = folder;
    this.log = log;
    this.key = plane.firstKey ?? "";
  }

  static async start(database: string | null = null, within?: TemporaryFolder): Promise<Plane> {
    const folder = within ?? (await temporaryFolder("/dev/shm"));
    const log: string[] = [];
    const plane = await controlPlane({
      folder: folder.path,
      database,
      host: "127.0.0.1",
      port: 0,
      names: ["localhost", "127.0.0.1"],
      askAgain: 60,
      retention: { events: 30, audit: 365, rollouts: 90 },
      log: (line) => log.push(line),
    });
    return new Plane(plane, folder, log);
  }

  async ask(method: string, path: string, asking: Asking = {}): Promise<Answered> {
    const { key, certificate, body, raw, headers } = asking;
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    return await new Promise((resolve, reject) => {
      const asked = request(
        {
          host: "127.0.0.1",
          port: this.plane.port,
          path: path.startsWith("/api") || ["/", "/health", "/metrics"].includes(path) ? path : `/api/v1${path}`,
          method,
          ca: this.plane.authority,
          ...(certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.key }),
          agent: this.#connections,
          headers: {
            ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
            ...(sent === undefined
              ? {}
              : { "Content-Type": "application/json", "Content-Length": String(Buffer.byteLength(sent)) }),
            ...headers,
          },
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(parts).toString();
            const type = answer.headers["content-type"] ?? "";
            const json = /json/.test(type) && text !== "" ? JSON.parse(text) : undefined;
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json });
          });
        },
      );
      asked.on("error", reject);
      if (sent !== undefined) asked.write(sent);
      asked.end();
    });
  }

  /** The same, as an admin, and wanting it done. */
  async admin(method: string, path: string, body?: unknown): Promise<Answered["json"]> {
    const answered = await this.ask(method, path, { key: this.key, body });
    if (answered.status >= 300) throw new Error(`${method} ${path}: ${answered.status} ${answered.text}`);
    return answered.json;
  }

  /** A new machine, and the certificate that it has got. */
  async enrolled(machine: string) {
    await this.admin("POST", "/machines", { name: machine });
    const { token } = await this.admin("POST", `/machines/${machine}/token`);
    const { key, request: csr } = await keyAndRequest(this.folder.path, machine);
    const answered = await this.ask("POST", "/agent/enrol", { body: { version: 1, machine, token, request: csr } });
    if (answered.status !== 201) throw new Error(answered.text);
    return { certificate: String(answered.json.certificate), key };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections.destroy();
    await this.plane[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** As an agent makes them, by another program than ours. */
export async function keyAndRequest(folder: string, name: string, curve = "prime256v1") {
  const file = join(folder, `${name}.key`);
  await run("openssl", ["ecparam", "-name", curve, "-genkey", "-noout", "-out", file]);
  const { stdout } = await run("openssl", ["req", "-new", "-key", file, "-subj", `/CN=${name}`]);
  const { stdout: key } = await run("openssl", ["pkcs8", "-topk8", "-nocrypt", "-in", file]);
  return { key, request: stdout };
}

/** A certificate that looks like another's, and is signed by its own key. */
export async function selfSigned(folder: string, name: string, serial: string) {
  const { key } = await keyAndRequest(folder, `${name}-forged`);
  const args = [
    "-x509",
    "-key",
    join(folder, `${name}-forged.key`),
    "-subj",
    `/CN=${name}`,
    "-set_serial",
    `0x${serial}`,
  ];
  const { stdout } = await run("openssl", ["req", ...args, "-days", "30"]);
  return { certificate: stdout, key };
}

/** Waits for what comes by itself, for a minute. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 1200);
    await new Promise((later) => setTimeout(later, 50));
  }
}

export function reportOf(machine: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    version: 1,
    sequence: 1,
    change: 0,
    outcome: { kind: "healthy" },
    running: {
      closure: `/nix/store/${"0".repeat(32)}-nixfleet-${machine}`,
      release: null,
      bootId: "c0ffee00-0000-4000-8000-000000000000",
      proved: true,
    },
    checks: [],
    drift: { undeclared: 0, stray: 0 },
    agent: "0.1.0",
    ...more,
  };
}
