/** What people bring from NixOS and stands elsewhere here: whoever writes it is told where. */
import { type Refusal, refusedOption } from "../layout/refused.ts";
import { needless } from "./persistence-entries.ts";

const COMMANDS: Refusal = {
  why: "nixfleet runs no commands from a declaration in the initrd",
  instead: "remove what wipes the root: nixfleet.impermanence.enable does that at every boot",
};

export const broughtOptions = {
  fileSystems: refusedOption(
    {
      why: "disko.devices says what is mounted where",
      instead:
        "write neededForBoot: true there, beside the mountpoint; /, /nix, /var/log and persist roots have it by themselves",
    },
    [{}],
  ),
  swapDevices: refusedOption(
    {
      why: "disko.devices says where a host swaps to",
      instead:
        'write a partition with content: { type: "swap" } there, or swap: { swapfile: { size: "4G" } } in a btrfs subvolume',
    },
    [[]],
  ),
  preservation: refusedOption(
    {
      why: "its lists have the name that impermanence gives them",
      instead:
        "write what is in preserveAt as environment.persistence, and nixfleet: { impermanence: { enable: true } } (docs/from-preservation.md)",
    },
    [{}, { enable: false }],
  ),
  boot: {
    resumeDevice: refusedOption(
      {
        why: "disko.devices says where a host resumes from",
        instead: 'write resumeDevice: true there, beside type: "swap"',
      },
      [""],
    ),
    initrd: {
      postDeviceCommands: refusedOption(COMMANDS, [""]),
      postResumeCommands: refusedOption(COMMANDS, [""]),
      postMountCommands: refusedOption(COMMANDS, [""]),
      systemd: {
        enable: needless("systemd always runs the initrd."),
        services: refusedOption(COMMANDS, [{}]),
      },
    },
  },
} as const;
