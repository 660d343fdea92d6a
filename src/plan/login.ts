/** Whether anybody who may look after a host gets into it. */
import type { SystemConfig } from "../system/options.ts";

type User = SystemConfig["users"]["users"][string];

export interface SshServer {
  readonly enable: boolean;
  readonly settings: { readonly PermitRootLogin: string };
}

/** A line, or none. Root, and whoever is in the group sudo, may look after the host. */
export function loginWarnings({ users }: SystemConfig, ssh: SshServer): readonly string[] {
  const sudoers = new Set(users.groups.sudo?.members ?? []);
  const administrators = Object.values(users.users).filter(
    ({ name, extraGroups }) => name === "root" || extraGroups.includes("sudo") || sudoers.has(name),
  );
  if (administrators.some((user) => canLogIn(user, ssh))) return [];
  const example = administrators.find(({ name }) => name !== "root")?.name ?? "root";
  return [
    `nobody who may administer this host can log in: neither root nor anybody in the group sudo has a password or a key for ssh; set users.users.${example}.openssh.authorizedKeys.keys or hashedPasswordFile (docs/install.md, "Logging in")`,
  ];
}

function canLogIn({ name, hashedPasswordFile, openssh }: User, ssh: SshServer): boolean {
  const byKey = ssh.enable && openssh.authorizedKeys.keys.length > 0;
  return hashedPasswordFile !== null || (byKey && (name !== "root" || ssh.settings.PermitRootLogin !== "no"));
}
