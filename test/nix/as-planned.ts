/** Whether a host on NixOS has what its plan says, entry by entry. */
import assert from "node:assert/strict";
import type { Persistence } from "../../src/emit/nixos/host.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { encryptedContents, mountedFilesystems, usedSwaps } from "../../src/plan/disk-plan.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import type { EmittedHost } from "./emitted.ts";

export function isAsPlanned(host: Host, plan: HostPlan, there: EmittedHost, persistence: Persistence): void {
  isTheSystem(host, plan, there);
  isTheDisk(plan, there);
  hasTheUsers(host, plan, there);
  const entries = onNixos(plan);
  if (persistence === "preservation") preserves(plan, entries, there);
  else persists(entries, there);
}

/** Where an entry is on NixOS, with those that are somebody else's there. */
const MOVED: Readonly<Record<string, Partial<PersistenceEntry>>> = {
  "/etc/cups": { path: "/var/lib/cups" },
  "/etc/letsencrypt": { path: "/var/lib/acme", user: "acme", group: "acme", mode: "0755" },
  "/var/lib/postgresql": { user: "postgres", group: "postgres", mode: "0755" },
  "/var/lib/sudo": { path: "/var/db/sudo/lectured" },
  "/var/spool/cron/atjobs": { path: "/var/spool/atjobs", user: "atd", group: "atd", mode: "1770" },
  "/var/spool/cron/atspool": { path: "/var/spool/atspool", user: "atd", group: "atd", mode: "1770" },
  "/var/spool/cron/crontabs": { path: "/var/cron", mode: "0710" },
  "/var/spool/cups": { group: "lp", mode: "0710" },
};
const NOWHERE = /^\/etc\/libvirt\/|^\/var\/lib\/(containerd|logrotate)$/;

function isTheSystem({ config }: Host, { hostName, platform, boot, loader, wipe }: HostPlan, there: EmittedHost): void {
  assert.deepEqual(
    [there.networking.hostName, there.networking.useDHCP, there.nixpkgs.hostPlatform, there.time.timeZone],
    [hostName, config.networking.useDHCP, platform, config.hostSpec.timeZone],
  );
  assert.deepEqual([there.i18n.defaultLocale, there.console.keyMap], [config.hostSpec.locale, config.hostSpec.keyMap]);
  assert.deepEqual(there.boot.kernelParams, config.boot.kernelParams);
  assert.deepEqual(there.boot.kernelModules, config.boot.kernelModules);
  assert.deepEqual(there.boot.kernel.sysctl, config.boot.kernel.sysctl);
  assert.deepEqual(there.boot.initrd.systemd, {
    ...there.boot.initrd.systemd,
    enable: true,
    emergencyAccess: boot.emergencyAccess,
  });
  assert.equal(there.boot.loader.timeout, loader.timeout);
  assert.equal(there.boot.loader["systemd-boot"].configurationLimit, loader.configurationLimit);
  const { enable, retentionDays, keepNewest, onFailure, device } = there.nixfleet.wipe;
  assert.equal(enable, wipe !== null);
  assert.equal(device, there.fileSystems["/"]?.device);
  if (wipe === null) return;
  assert.deepEqual({ ...wipe, retentionDays, keepNewest, onFailure }, wipe);
  assert.match(
    there.environment.etc["nixfleet/wipe.conf"]?.text ?? "",
    new RegExp(`^ROOT_SUBVOLUME='${wipe.subvolume}'$`, "m"),
  );
}

function isTheDisk({ disk }: HostPlan, there: EmittedHost): void {
  const mounts = mountedFilesystems(disk);
  const nodev = disk.nodev.map(({ mountpoint }) => mountpoint);
  assert.deepEqual(
    Object.keys(there.fileSystems).sort(),
    [...mounts.map(({ mountpoint }) => mountpoint), ...nodev].sort(),
  );
  for (const { mountpoint, fsType, subvolume, mountOptions, neededForBoot } of mounts) {
    const found = there.fileSystems[mountpoint];
    assert.equal(found?.fsType, fsType, mountpoint);
    assert.deepEqual(
      found?.options,
      [...mountOptions, ...(subvolume === null ? [] : [`subvol=${subvolume}`])],
      mountpoint,
    );
    // NixOS mounts these two early by itself.
    assert.equal(found?.neededForBoot || ["/", "/nix"].includes(mountpoint), neededForBoot, mountpoint);
    assert.match(found?.device ?? "", /^\/dev\/(disk\/by-part(label|uuid)|mapper)\//, mountpoint);
  }
  for (const { mountpoint, fsType, mountOptions } of disk.nodev) {
    assert.deepEqual(
      [there.fileSystems[mountpoint]?.fsType, there.fileSystems[mountpoint]?.options],
      [fsType, mountOptions],
    );
  }
  const partitions = disk.disks.flatMap((one) => one.partitions.map(({ content }) => content));
  assert.equal(there.swapDevices.length, partitions.filter((content) => content?.kind === "swap").length);
  assert.deepEqual(
    Object.keys(there.boot.initrd.luks.devices),
    encryptedContents(disk).flatMap(({ luks, early }) => (early ? [luks.name] : [])),
  );
  for (const { luks, early } of encryptedContents(disk)) {
    const line = `${luks.name} /dev/disk/by-label/${luks.label} ${luks.settings.keyFile} `;
    assert.equal(there.environment.etc.crypttab?.text?.includes(line) ?? false, !early, luks.name);
  }
  assert.equal(
    there.boot.resumeDevice !== "",
    usedSwaps(disk).some(({ resume }) => resume),
  );
}

function hasTheUsers({ config }: Host, { users }: HostPlan, there: EmittedHost): void {
  assert.equal(there.users.mutableUsers, false);
  assert.deepEqual(Object.keys(there.users.users).sort(), users.users.map(({ name }) => name).sort());
  for (const user of users.users) {
    const found = there.users.users[user.name];
    const declared = config.users.users[user.name];
    assert.deepEqual(found?.openssh.authorizedKeys.keys, declared?.openssh.authorizedKeys.keys, user.name);
    assert.equal(found?.hashedPasswordFile, user.hashedPasswordFile);
    if (user.name === "root") continue;
    assert.deepEqual(
      [found?.uid, found?.group, found?.home, found?.description, found?.isNormalUser, found?.isSystemUser],
      [user.uid, user.group, user.home, user.description, declared?.isNormalUser, !declared?.isNormalUser],
      user.name,
    );
    const groups = users.groups.filter(({ name, members }) => name !== user.group && members.includes(user.name));
    const renamed: Readonly<Record<string, string>> = { sudo: "wheel", netdev: "networkmanager", libvirt: "libvirtd" };
    const expected = groups.map(({ name }) => renamed[name] ?? name).filter((name) => name !== "lpadmin");
    assert.deepEqual(found?.extraGroups.toSorted(), expected.toSorted(), user.name);
    assert.equal(found?.shell, user.shell === "/usr/bin/zsh" ? "/packages/zsh" : null);
  }
  const declared = users.groups.flatMap(({ name, gid }) => (gid === null ? [] : [[name, gid] as const]));
  assert.deepEqual(
    Object.entries(there.users.groups)
      .map(([name, { gid }]) => [name, gid])
      .sort(),
    declared.map(([name, gid]) => [name, gid]).sort(),
  );
}

export function onNixos({ persistence }: HostPlan): readonly PersistenceEntry[] {
  return persistence.entries
    .filter(({ path }) => !NOWHERE.test(path))
    .map((entry) => ({ ...entry, ...MOVED[entry.path] }));
}

function preserves(
  { persistence }: HostPlan,
  entries: readonly PersistenceEntry[],
  { preservation, systemd }: EmittedHost,
): void {
  const at = Object.entries(preservation?.preserveAt ?? {}).flatMap(([root, { directories, files }]) => [
    ...directories.map(({ directory, ...rest }) => ({ root, path: directory, kind: "directory", ...rest })),
    ...files.map(({ file, ...rest }) => ({ root, path: file, kind: "file", ...rest })),
  ]);
  assert.equal(
    new Set(at.map(({ path }) => path)).size,
    at.length,
    "each path once: two rules for one path may conflict",
  );
  for (const entry of entries) {
    const found = at.find(({ path }) => path === entry.path);
    const held = entry.within?.persistRoot === entry.persistRoot;
    assert.deepEqual(
      [found?.root, found?.kind, found?.user, found?.group, found?.mode],
      [entry.persistRoot, entry.kind, entry.user, entry.group, entry.mode],
      entry.path,
    );
    assert.equal(found?.how, held ? "_intermediate" : entry.how === "bind" ? "bindmount" : "symlink", entry.path);
    assert.deepEqual(found?.mountOptions, entry.how === "bind" && !held ? entry.mountOptions : [], entry.path);
    assert.equal(found?.configureParent, false, "what the folder above is, is said once");
    assert.equal(found?.createLinkTarget, entry.kind === "directory" && entry.how === "symlink", entry.path);
    assert.equal(found?.inInitrd, ["/etc/machine-id", "/var/lib/nixos"].includes(entry.path), entry.path);
  }
  // Of the folders above entries, whatever tmpfiles would not make by itself: root's, with 0755.
  const above = persistence.parents.filter(
    ({ path, user, group, mode }) =>
      `${user}:${group} ${mode}` !== "root:root 0755" && entries.some((entry) => entry.path.startsWith(`${path}/`)),
  );
  for (const parent of above) {
    const found = at.find(({ path }) => path === parent.path);
    assert.deepEqual(
      [found?.how, found?.user, found?.group, found?.mode],
      ["_intermediate", parent.user, parent.group, parent.mode],
      parent.path,
    );
  }
  assert.equal(at.length, entries.length + above.length, "and nothing else");
  if (entries.length > 0) assert.deepEqual(systemd.suppressedSystemUnits, ["systemd-machine-id-commit.service"]);
}

function persists(entries: readonly PersistenceEntry[], { environment, users }: EmittedHost): void {
  const at = Object.entries(environment.persistence ?? {}).flatMap(([root, { users: ofUsers, ...lists }]) =>
    [["", lists] as const, ...Object.entries(ofUsers)].flatMap(([user, { directories, files }]) => {
      const home = user === "" ? "" : `${users.users[user]?.home ?? "/root"}/`;
      return [
        ...directories.map(({ directory, ...rest }) => ({
          root,
          path: `${home}${directory}`,
          kind: "directory",
          ...rest,
        })),
        ...files.map(({ file, ...rest }) => ({ root, path: `${home}${file}`, kind: "file", ...rest })),
      ];
    }),
  );
  assert.equal(new Set(at.map(({ path }) => path)).size, at.length, "impermanence refuses one path twice");
  assert.equal(at.length, entries.length);
  for (const entry of entries) {
    const found = at.find(({ path }) => path === entry.path);
    assert.deepEqual([found?.root, found?.kind], [entry.persistRoot, entry.kind], entry.path);
    if (found === undefined) continue;
    if ("mode" in found) {
      assert.deepEqual([found.user, found.group, found.mode], [entry.user, entry.group, entry.mode], entry.path);
      assert.equal(found.hideMount, entry.mountOptions.includes("x-gvfs-hide"), entry.path);
      assert.equal(found.allowTrash, entry.mountOptions.includes("x-gvfs-trash"), entry.path);
    } else assert.equal(found.method, entry.how === "symlink" ? "symlink" : "auto", entry.path);
  }
}
