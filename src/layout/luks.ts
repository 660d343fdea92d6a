/** The content `luks`: encrypted, with other content inside. */
import { listOf } from "../modules/collections.ts";
import { UserError } from "../modules/errors.ts";
import { type ConfigOf, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { byLabel, type ContentType, command, type DiskCommand, labelProblems, nameProblems } from "./content-type.ts";
import { labelOption } from "./filesystem.ts";
import { type PlainContent, plainContent, plainContentOption, plainType } from "./plain-content.ts";
import { MIB } from "./size.ts";

export interface LuksContent {
  readonly kind: "luks";
  readonly label: string;
  /** It is opened as `/dev/mapper/<name>`. */
  readonly name: string;
  /** On the machine that formats: its text, without the final line break, is the passphrase. */
  readonly passwordFile: string | null;
  readonly settings: {
    /** On the machine that formats, and on a host that boots without it: its bytes are the key. */
    readonly keyFile: string | null;
    readonly allowDiscards: boolean;
  };
  readonly enrollTpm2: boolean;
  readonly tpm2Pcrs: readonly number[];
  readonly extraFormatArgs: readonly string[];
  readonly content: PlainContent;
}

const options = {
  label: labelOption,
  name: mkOption({
    type: types.nullOr(types.str),
    default: null,
    example: "crypted",
    description: "A `luks` is opened as `/dev/mapper/<name>`; null: the partition's name.",
  }),
  passwordFile: mkOption({
    type: types.nullOr(types.absolutePath),
    default: null,
    example: "/tmp/disk.key",
    description:
      "A file on the machine that formats, with the passphrase of a `luks`, which the host asks for at boot.",
  }),
  settings: {
    keyFile: mkOption({
      type: types.nullOr(types.absolutePath),
      default: null,
      description:
        "Instead of a passphrase: a file of bytes, on the machine that formats, and on the host where it opens the `luks` once it runs.",
    }),
    allowDiscards: mkOption({
      type: types.bool,
      default: false,
      description: "Whether the device below a `luks` is told what is free, and so, who reads it.",
    }),
  },
  enrollTpm2: mkOption({
    type: types.bool,
    default: false,
    description: "Whether the TPM of the machine that is formatted opens the `luks` too.",
  }),
  tpm2Pcrs: mkOption({
    type: listOf(types.intBetween(0, 23)),
    default: [7],
    description: "What the TPM must find unchanged: systemd-cryptenroll(1), `--tpm2-pcrs=`.",
  }),
  extraFormatArgs: mkOption({
    type: listOf(types.nonEmptyStr),
    default: [],
    example: ["--pbkdf", "argon2id"],
    description: "More arguments of cryptsetup-luksFormat(8).",
  }),
  content: mkOption({ type: plainContentOption, default: null, description: "What a `luks` holds." }),
} as const;

export const luks: ContentType<LuksContent> & { readonly options: typeof options } = {
  options,
  signature: () => "crypto_LUKS",
  minimum: ({ content }) => HEADER + plainType(content).minimum(content),
  problems: ({ name, label, passwordFile, settings, content }) => [
    ...labelProblems("LUKS", label, LABEL),
    ...nameProblems("the name of the LUKS device", name, DEVICE_NAME, name.length),
    ...((passwordFile === null) === (settings.keyFile === null)
      ? [{ what: "a luks wants either passwordFile or settings.keyFile", fix: 'add passwordFile: "/tmp/disk.key"' }]
      : []),
    ...plainType(content).problems(content),
  ],
  packages: ({ content, enrollTpm2 }) => [
    ...["cryptsetup-bin", "systemd-cryptsetup"],
    ...(enrollTpm2 ? TPM_PACKAGES : []),
    ...plainType(content).packages(content),
  ],
  create: (luks, place) => {
    const { device, name } = place;
    const inside = `/dev/mapper/${luks.name}`;
    const format = ["luksFormat", "--batch-mode", "--type", "luks2", ...luks.extraFormatArgs];
    return [
      withKey(luks, command(`encrypt ${name}`, "cryptsetup", [...format, ...keyArguments(luks), "--", device])),
      openCommand(luks, device),
      ...plainType(luks.content).create(luks.content, { ...place, device: inside, name: luks.name }),
      ...(luks.enrollTpm2 && place.tpm ? [enrollCommand(luks, device)] : []),
      closeCommand(luks),
      // What has its label is whole.
      command(`label it ${luks.label}`, "cryptsetup", ["config", "--label", luks.label, "--", device]),
    ];
  },
  mappings: (luks, source) => [{ name: luks.name, source, open: openCommand(luks, source), close: closeCommand(luks) }],
  mounts: ({ name, content }) => plainType(content).mounts(content, `/dev/mapper/${name}`),
  filesystems: ({ content }) => plainType(content).filesystems(content),
  swaps: ({ content }) => plainType(content).swaps(content),
  describe: ({ name, label, enrollTpm2, content }) => [
    { holds: `luks ${label}, opened as ${name}${enrollTpm2 ? ", also by the TPM" : ""}`, mountpoint: "", options: [] },
    ...plainType(content)
      .describe(content)
      .map((row) => ({ ...row, holds: `  ${row.holds}` })),
  ],
};

export function luksContent(declared: ConfigOf<typeof options>, label: string): LuksContent {
  const { passwordFile, settings, enrollTpm2, tpm2Pcrs, extraFormatArgs, content } = declared;
  if (content === null) throw new UserError("a luks wants content", ['add content: { type: "btrfs", label: "root" }']);
  return {
    ...{ kind: "luks", label, name: declared.name ?? label, passwordFile },
    settings: { keyFile: settings.keyFile, allowDiscards: settings.allowDiscards },
    ...{ enrollTpm2, tpm2Pcrs, extraFormatArgs },
    content: plainContent(content, content.label ?? ""),
  };
}

/** A line of crypttab(5). @param key a file on the host; `null`: the TPM or a person */
export function crypttabLine(luks: LuksContent, key: string | null, more: readonly string[]): string {
  const options = [
    "luks",
    ...(luks.settings.allowDiscards ? ["discard"] : []),
    ...(luks.enrollTpm2 ? ["tpm2-device=auto"] : []),
    ...more,
  ];
  return [luks.name, byLabel(luks.label), key ?? "none", options.join(",")].join(" ");
}

/** LUKS2's default offset of the data. */
const HEADER = 16 * MIB;
/** LUKS2_LABEL_L without the final zero. */
const LABEL = 47;
/** DM_NAME_LEN without the final zero. */
const DEVICE_NAME = 127;

const TPM_PACKAGES = ["libtss2-esys-3.0.2-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64", "tpm2-tools"];

function openCommand(luks: LuksContent, device: string): DiskCommand {
  const discard = luks.settings.allowDiscards ? ["--allow-discards"] : [];
  const args = ["open", "--type", "luks2", ...discard, ...keyArguments(luks), "--", device, luks.name];
  return withKey(luks, command(`open ${luks.name}`, "cryptsetup", args));
}

function closeCommand({ name }: LuksContent): DiskCommand {
  return command(`close ${name}`, "cryptsetup", ["close", "--", name]);
}

function enrollCommand(luks: LuksContent, device: string): DiskCommand {
  const { keyFile } = luks.settings;
  const enroll = command(`let this machine's TPM open ${luks.name}`, "systemd-cryptenroll", [
    ...["--tpm2-device=auto", `--tpm2-pcrs=${luks.tpm2Pcrs.join("+")}`],
    ...(keyFile === null ? [] : [`--unlock-key-file=${keyFile}`]),
    device,
  ]);
  return luks.passwordFile === null ? enroll : { ...enroll, passphrase: { file: luks.passwordFile, as: "PASSWORD" } };
}

function keyArguments({ settings }: LuksContent): readonly string[] {
  return ["--key-file", settings.keyFile ?? "-"];
}

function withKey({ passwordFile }: LuksContent, command: DiskCommand): DiskCommand {
  return passwordFile === null ? command : { ...command, passphrase: { file: passwordFile, as: "stdin" } };
}
