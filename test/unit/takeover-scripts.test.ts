/** The scripts that take what a machine is into the installer of a host. */
import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

const SCRIPTS = join(import.meta.dirname, "../../src/payload/takeover");

/** What ip(8) says of a machine: by DHCP, with a router outside of its network, by announcements, and a bridge. */
const NETWORK: Readonly<Record<string, Readonly<Record<"address" | "-4" | "-6", string>>>> = {
  eth0: {
    address: [
      "2: eth0    inet 192.0.2.7/32 metric 100 scope global dynamic eth0\\       valid_lft 80000sec preferred_lft 80000sec",
      "2: eth0    inet 10.1.1.1 peer 10.1.1.2/32 scope global eth0\\       valid_lft forever preferred_lft forever",
      "2: eth0    inet6 2001:db8::7/64 scope global \\       valid_lft forever preferred_lft forever",
      "2: eth0    inet6 2001:db8::aaaa/64 scope global temporary dynamic \\       valid_lft 80000sec",
      "2: eth0    inet6 2001:db8::dead/64 scope global deprecated dynamic \\       valid_lft 80000sec",
    ].join("\n"),
    "-4": [
      "default via 172.31.1.1 proto dhcp src 192.0.2.7 metric 100 onlink ",
      "172.31.1.1 proto dhcp scope link src 192.0.2.7 metric 100 ",
      "10.1.1.2 proto kernel scope link src 10.1.1.1 ",
    ].join("\n"),
    "-6": [
      "2001:db8::/64 proto kernel metric 256 pref medium",
      "fe80::/64 proto kernel metric 256 pref medium",
      "default via fe80::1 proto ra metric 1024 expires 1700sec pref medium",
    ].join("\n"),
  },
  eth1: { address: "", "-4": "", "-6": "" },
  br0: { address: "4: br0    inet 10.9.9.9/24 scope global br0", "-4": "", "-6": "" },
};

test("the addresses and routes of each network card are carried over as they are, and nothing of bridges", async () => {
  await using folder = await temporaryFolder();
  const at = (...path: readonly string[]) => join(folder.path, ...path);
  await mkdir(at("bin"));
  await mkdir(at("out"));
  for (const [name, said] of Object.entries(NETWORK)) {
    await mkdir(at("sys/class/net", name), { recursive: true });
    await writeFile(at("sys/class/net", name, "address"), "52:54:00:00:00:01\n");
    if (name !== "br0") await symlink("..", at("sys/class/net", name, "device"));
    for (const [what, text] of Object.entries(said))
      await writeFile(at(`${name}.${what}`), text === "" ? "" : `${text}\n`);
  }
  const ip = `#!/bin/sh\ncase $2 in address) exec cat ${at()}/$5.address ;; *) exec cat ${at()}/$6.$1 ;; esac\n`;
  await writeFile(at("bin/ip"), ip);
  await chmod(at("bin/ip"), 0o755);
  await run("perl", [join(SCRIPTS, "network.pl"), at("out")], {
    env: { SYS: at("sys"), PATH: `${at("bin")}:${process.env.PATH}` },
  });
  assert.deepEqual(await readdir(at("out")), ["10-carried-eth0.network"]);
  const text = await readFile(at("out/10-carried-eth0.network"), "utf8");
  assert.deepEqual(
    text.split("\n\n").map((section) => section.trim().split("\n")),
    [
      ["[Match]", "MACAddress=52:54:00:00:00:01", "Type=ether"],
      ["[Network]", "DHCP=no", "IPv6AcceptRA=no", "LinkLocalAddressing=ipv6"],
      ["[Address]", "Address=192.0.2.7/32"],
      ["[Address]", "Address=10.1.1.1/32", "Peer=10.1.1.2/32"],
      ["[Address]", "Address=2001:db8::7/64"],
      ["[Route]", "Destination=0.0.0.0/0", "Gateway=172.31.1.1", "GatewayOnLink=yes", "Metric=100"],
      ["[Route]", "Destination=172.31.1.1", "Metric=100", "Scope=link"],
      ["[Route]", "Destination=::/0", "Gateway=fe80::1", "GatewayOnLink=yes", "Metric=1024"],
    ],
  );
});

test("an archive for the kernel begins at a multiple of four, and holds the folder with its modes, as root's", async () => {
  await using folder = await temporaryFolder();
  const at = (...path: readonly string[]) => join(folder.path, ...path);
  await mkdir(at("own/nixfleet/keys"), { recursive: true });
  await chmod(at("own/nixfleet/keys"), 0o700);
  await writeFile(at("own/nixfleet/keys/key"), "secret\n", { mode: 0o600 });
  await symlink("key", at("own/nixfleet/keys/link"));
  await writeFile(at("initrd"), "abc");
  await run("sh", ["-c", `perl ${join(SCRIPTS, "cpio.pl")} ${at("own")} >>${at("initrd")}`]);
  const bytes = await readFile(at("initrd"));
  assert.equal(bytes.subarray(0, 10).toString("latin1"), "abc\u0000070701");
  await writeFile(at("archive"), bytes.subarray(4));
  const listed = await run("sh", ["-c", `cpio --quiet -tvn <${at("archive")}`]);
  assert.deepEqual(
    listed
      .trim()
      .split("\n")
      .map((line) => [line.split(/\s+/).slice(0, 4).join(" "), line.replace(/.*\d\d:\d\d /, "")]),
    [
      ["drwxr-xr-x 1 0 0", "nixfleet"],
      ["drwx------ 1 0 0", "nixfleet/keys"],
      ["-rw------- 1 0 0", "nixfleet/keys/key"],
      ["lrwxrwxrwx 1 0 0", "nixfleet/keys/link -> key"],
    ],
  );
  await mkdir(at("unpacked"));
  await run("sh", ["-c", `cd ${at("unpacked")} && cpio --quiet -id <${at("archive")}`]);
  assert.equal(await readFile(at("unpacked/nixfleet/keys/key"), "utf8"), "secret\n");
});
