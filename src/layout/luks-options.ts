/** What a `luks` declares. */
import { listOf } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";
import { labelOption } from "./filesystem.ts";
import { nameOption } from "./part.ts";
import { plainContentOption } from "./plain-content.ts";
import { refusedOption } from "./refused.ts";

const COMMANDS = {
  why: "nixfleet's initrd does not run commands from a declaration",
  instead: "remove it; a passphrase opens the luks at boot, or the TPM with enrollTpm2: true",
};
const TOKENS = {
  why: "nixfleet sets up only a passphrase and a TPM to open a luks at boot",
  instead: "use passwordFile or enrollTpm2: true, then run systemd-cryptenroll(1) on the host for more",
};

export const luksOptions = {
  label: labelOption,
  name: nameOption,
  passwordFile: mkOption({
    type: types.nullOr(types.absolutePath),
    default: null,
    example: "/tmp/disk.key",
    description:
      "A file on the machine that formats the disk, with the passphrase of the `luks`. The host asks for that passphrase at boot. Without this and without `settings.keyFile`, formatting asks for a passphrase.",
  }),
  askPassword: mkOption({
    type: types.bool,
    default: ({ self }) => self.passwordFile === null && self.settings.keyFile === null,
    defaultText: "true without `passwordFile` and `settings.keyFile`",
    description: "Whether formatting asks for the passphrase of the `luks`.",
  }),
  additionalKeyFiles: mkOption({
    type: listOf(types.absolutePath),
    default: [],
    example: ["/tmp/recovery.key"],
    description: "More key files, on the machine that formats the disk. Their bytes open the `luks` too.",
  }),
  settings: {
    keyFile: mkOption({
      type: types.nullOr(types.absolutePath),
      default: null,
      description:
        "A key file instead of a passphrase. It must exist on the machine that formats the disk, and on the host if the host opens the `luks` only after boot.",
    }),
    keyFileSize: mkOption({
      type: types.nullOr(types.positiveInt),
      default: null,
      description: "How many bytes of `keyFile` to use as the key. null: all.",
    }),
    keyFileOffset: mkOption({
      type: types.nullOr(types.unsignedInt),
      default: null,
      description: "How many bytes of `keyFile` to skip before the key.",
    }),
    allowDiscards: mkOption({
      type: types.bool,
      default: false,
      description: "Whether to pass TRIM through the `luks`. This reveals which blocks are unused.",
    }),
    bypassWorkqueues: mkOption({
      type: types.bool,
      default: false,
      description:
        "Whether to bypass the kernel's work queues when reading and writing the `luks`, which is faster on an SSD.",
    }),
    crypttabExtraOpts: mkOption({
      type: listOf(types.strMatching(/[^\s,]+/, "one option of crypttab(5)")),
      default: [],
      example: ["fido2-device=auto"],
      description: "More options of crypttab(5) for opening the `luks` on the host.",
    }),
    fallbackToPassword: mkOption({
      type: types.bool,
      default: true,
      description: "No effect: without a key the host always asks for a passphrase.",
    }),
    preOpenCommands: refusedOption(COMMANDS, [""]),
    postOpenCommands: refusedOption(COMMANDS, [""]),
    gpgCard: refusedOption(TOKENS),
    yubikey: refusedOption(TOKENS),
    fido2: refusedOption(TOKENS),
    header: refusedOption({ why: "the header is on the disk itself", instead: "remove it" }),
    preLVM: refusedOption(
      {
        why: "a luks is opened where it stands: before the volume group in it, or after the one it is in",
        instead: "remove it",
      },
      [true, false],
    ),
  },
  enrollTpm2: mkOption({
    type: types.bool,
    default: false,
    description: "Whether the TPM of the machine that formats the disk opens the `luks` too.",
  }),
  tpm2Pcrs: mkOption({
    type: listOf(types.intBetween(0, 23)),
    default: [7],
    description: "The TPM registers that must be unchanged: systemd-cryptenroll(1), `--tpm2-pcrs=`.",
  }),
  enrollFido2: refusedOption(TOKENS, [false]),
  enrollRecovery: refusedOption(TOKENS, [false]),
  extraFormatArgs: mkOption({
    type: listOf(types.nonEmptyStr),
    default: [],
    example: ["--pbkdf", "argon2id"],
    description: "More arguments of cryptsetup-luksFormat(8).",
  }),
  extraOpenArgs: mkOption({
    type: listOf(types.nonEmptyStr),
    default: [],
    description:
      "More arguments of cryptsetup-open(8), for formatting and mounting the disk. They do not apply at boot.",
  }),
  initrdUnlock: mkOption({
    type: types.bool,
    default: true,
    description: "No effect: the initrd opens a `luks` that the boot needs, the host opens any other.",
  }),
  keyFile: refusedOption({
    why: "disko dropped this option too, because it does not say whether a person or a file opens the luks at boot",
    instead: "write passwordFile for a passphrase, settings.keyFile for a file of bytes",
  }),
  content: mkOption({
    type: plainContentOption,
    default: null,
    description: "What the `luks` holds. null: nothing yet.",
  }),
} as const;
