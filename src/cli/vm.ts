/** `nixfleet vm HOST` */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { buildHost } from "../deploy/build.ts";
import { provideImage } from "../deploy/image.ts";
import { machineOf, runInTerminal } from "../deploy/vm.ts";
import { GIB } from "../layout/size.ts";
import { temporaryFolder } from "../machine/resources.ts";
import { UserError } from "../modules/errors.ts";
import { freePort, sshAccess } from "../vm/ssh.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { say } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface VmFlags {
  readonly sshPort?: string;
  readonly memory: string;
  readonly fresh?: boolean;
}

export async function vm(file: string, name: string, flags: VmFlags): Promise<void> {
  const memory = number("--memory", flags.memory, 256, 1 << 20);
  const sshPort = flags.sshPort === undefined ? await freePort() : number("--ssh-port", flags.sshPort, 1, 65535);
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  const state = join(folder, ".nixfleet", "vm");
  const image = join(state, `${name}.img`);
  await mkdir(state, { recursive: true });
  if (flags.fresh) await rm(image, { force: true });
  const closure = await withProgress(`Build ${name}`, (onProgress) =>
    buildHost(plan, { fleetFolder: folder, onProgress }),
  );
  await provideImage({ plan, closure, file: image, size: 8 * GIB });
  const machine = await machineOf(plan, closure, image);
  await using keys = await temporaryFolder();
  const access = await sshAccess(keys.path, sshPort);
  say(
    [
      `${name} boots${machine.accelerator === "tcg" ? " (the processor is emulated: KVM does not work here)" : ""}; its disk is ${image}`,
      ...(machine.accelerator === "tcg"
        ? ["Such a processor now and then stops in the first seconds: then Ctrl-A X, and run this again."]
        : []),
      `This terminal is its console, logged in as root. Ctrl-A X pulls the plug, \`poweroff\` ends it in order.`,
      `From elsewhere: ssh -p ${sshPort} -i ${access.keyFile} -o UserKnownHostsFile=/dev/null root@127.0.0.1`,
    ].join("\n"),
  );
  // Only for a machine that is run here, and never in its closure: see systemd.system-credentials(7).
  const credentials = { ...access.credentials, "agetty.autologin": "root", "login.noauth": "yes" };
  await runInTerminal({ ...machine, memory }, sshPort, credentials);
}

function number(flag: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new UserError(`${flag} wants a number from ${lowest} to ${highest}, got ${text}`);
}
