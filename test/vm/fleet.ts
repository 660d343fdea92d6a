/** The host of the boot test: an entry of every kind, with names as hostile as they come. */
import type { Host, HostDeclaration } from "../../src/fleet/mk-host.ts";
import { diskoTemplates, mkFleet, mkHost } from "../../src/index.ts";
import { SHARED_PACKAGES } from "./packages.ts";

/** Of "nixfleet", by `mkpasswd --method=sha512crypt`. */
export const PASSWORD_HASH =
  "$6$saltsalt$7iZBMIRnSVP2dYE1mjbg1RcPmvqt8qPF3PKJrj1RKvDZyfXTzCOZLCcWbDJCPlnWLMAxBHE7QOBqK6gTEqrzZ/";

const modules: HostDeclaration["modules"] = [
  {
    nixfleet: { impermanence: { enable: true } },
    services: { openssh: { enable: true } },
    boot: {
      kernelPackage: "linux-image-cloud-amd64",
      kernelParams: ["console=ttyS0"],
      kernelModules: ["dummy"],
      kernel: { sysctl: { "vm.swappiness": 7 } },
    },
    users: {
      users: {
        alice: { hashedPasswordFile: "/persist/passwords/alice", extraGroups: ["adm"] },
        bob: { home: "/srv/homes/bob" },
      },
    },
    systemd: {
      services: {
        dynamic: {
          wantedBy: ["multi-user.target"],
          serviceConfig: {
            Type: "oneshot",
            RemainAfterExit: true,
            DynamicUser: true,
            StateDirectory: "dynamic",
            ExecStart: '/bin/sh -c "echo started >>/var/lib/dynamic/starts"',
          },
        },
      },
    },
    environment: {
      systemPackages: [...SHARED_PACKAGES],
      etc: { "motd.d/tested": { text: "hello" }, "tested-link": { target: "/etc/hostname" } },
      persistence: {
        "/persist": {
          directories: [
            "/var/lib/plain",
            // The declaration manages a file in it.
            "/etc/motd.d",
            "/var/lib/private/dynamic",
            { directory: "/var/lib/owned", user: "alice", group: "adm", mode: "2750" },
            { directory: "/var/lib/link", how: "symlink" },
            { directory: "/srv/with space", mode: "0700" },
            { directory: "/srv/100% \"quoted\" 'twice' back\\slash" },
            { directory: "/srv/ünï/ödé 😀", mountOptions: ["noexec", "nosuid"] },
          ],
          files: [
            { file: "/etc/bound.conf", how: "bind", mode: "0640" },
            { file: "/etc/linked.conf", how: "symlink" },
            "/etc/deep/er/auto.conf",
            { file: "/srv/a file 50%.txt", how: "auto" },
          ],
          users: {
            alice: { directories: ["shown"] },
            bob: { directories: ["mail/in box"], files: [".config/app/settings"] },
          },
        },
      },
    },
    home: {
      persistence: {
        "/persist": { directories: ["notes", { directory: ".secret/deep", mode: "0700", parent: { mode: "0700" } }] },
      },
    },
  },
];

/** The same host with further modules. */
export function testedWith(...further: HostDeclaration["modules"]): Host {
  return testedOn({}, ...further);
}

function testedOn(disk: { readonly swapSize?: string }, ...further: HostDeclaration["modules"]): Host {
  return mkHost({
    hostName: "tested",
    platform: "x86_64-linux",
    hostSpec: { userName: "alice", timeZone: "Europe/Paris" },
    modules: [diskoTemplates.btrfsImpermanence({ disk: "/dev/vda", ...disk }), ...modules, ...further],
  });
}

export const tested = testedWith();
/** One that can hibernate. */
export const testedWithSwap = testedOn({ swapSize: "1G" });
/** The same, but it never runs on a root that is not fresh. */
export const testedThatHalts = testedOn({ swapSize: "1G" }, { nixfleet: { impermanence: { onFailure: "halt" } } });

export const fleet = mkFleet([tested]);
