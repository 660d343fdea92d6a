/** The content `luks`: encrypted, with other content inside. */
import type { ConfigOf } from "../modules/option.ts";
import {
  type AnyContent,
  byLabel,
  type ContentType,
  command,
  type DiskCommand,
  type Held,
  labelFrom,
  labelProblems,
  NOT_USED,
  nameProblems,
} from "./content-type.ts";
import { extraArgsProblems, words } from "./extra-args.ts";
import { luksOptions } from "./luks-options.ts";
import { type PlainContent, plainContent } from "./plain-content.ts";
import { MIB } from "./size.ts";

export interface LuksContent<C extends AnyContent = AnyContent> {
  readonly kind: "luks";
  readonly label: string;
  /** It is opened as `/dev/mapper/<name>`. */
  readonly name: string;
  /**
   * On the machine that formats: its text, without the final line break, is the passphrase. Where there is no key file
   * either, the passphrase is asked for.
   */
  readonly passwordFile: string | null;
  /** On the machine that formats: their bytes open it too. */
  readonly additionalKeyFiles: readonly string[];
  readonly settings: LuksSettings;
  readonly enrollTpm2: boolean;
  readonly tpm2Pcrs: readonly number[];
  readonly extraFormatArgs: readonly string[];
  readonly extraOpenArgs: readonly string[];
  /** `null`: none yet. */
  readonly content: C | null;
}

export interface LuksSettings {
  /** On the machine that formats, and on a host that boots without it: its bytes are the key. */
  readonly keyFile: string | null;
  /** In bytes. */
  readonly keyFileSize: number | null;
  readonly keyFileOffset: number | null;
  readonly allowDiscards: boolean;
  readonly bypassWorkqueues: boolean;
  readonly crypttabExtraOpts: readonly string[];
}

export const luks: ContentType<LuksContent> & { readonly options: typeof luksOptions } = {
  options: luksOptions,
  signature: () => "crypto_LUKS",
  minimum: ({ content }) => HEADER + (content === null ? MIB : 0),
  problems: ({ name, label, passwordFile, settings, enrollTpm2, extraFormatArgs, extraOpenArgs }) => [
    ...labelProblems("LUKS", label, LABEL),
    ...nameProblems("name", "the name of the LUKS device", name, DEVICE_NAME),
    ...(passwordFile !== null && settings.keyFile !== null
      ? [
          {
            option: "settings.keyFile",
            what: "a luks takes either passwordFile or settings.keyFile, not both",
            fix: "remove settings.keyFile; the host then asks for the passphrase in passwordFile at boot",
          },
        ]
      : []),
    ...(enrollTpm2 && (settings.keyFileSize !== null || settings.keyFileOffset !== null)
      ? [
          {
            option: "enrollTpm2",
            what: "systemd-cryptenroll can only use a whole key file",
            fix: "remove settings.keyFileSize and settings.keyFileOffset, or enrollTpm2",
          },
        ]
      : []),
    ...extraArgsProblems(extraFormatArgs, "extraFormatArgs"),
    ...extraArgsProblems(extraOpenArgs, "extraOpenArgs"),
  ],
  packages: ({ enrollTpm2 }) => [...["cryptsetup-bin", "systemd-cryptsetup"], ...(enrollTpm2 ? TPM_PACKAGES : [])],
  create: (luks, { device, name }) => {
    const format = ["luksFormat", "--batch-mode", "--type", "luks2", ...luks.extraFormatArgs];
    return [
      withKey(luks, command(`encrypt ${name}`, "cryptsetup", [...format, ...keyArguments(luks), "--", device])),
      ...luks.additionalKeyFiles.map((file) =>
        withKey(
          luks,
          command(`let ${file} open it too`, "cryptsetup", [
            ...["luksAddKey", "--batch-mode", ...keyArguments(luks), "--", device, file],
          ]),
        ),
      ),
      ...(isFilled(luks) ? [openCommand(luks, device)] : []),
    ];
  },
  finish: (luks, { device, tpm }) => [
    ...(luks.enrollTpm2 && tpm ? [enrollCommand(luks, device)] : []),
    ...(isFilled(luks) ? [closeCommand(luks)] : []),
    // What has its label is whole.
    command(`label it ${luks.label}`, "cryptsetup", ["config", "--label", luks.label, "--", device]),
  ],
  mappings: (luks, source) =>
    luks.content === null
      ? []
      : [{ kind: "luks", name: luks.name, source, open: openCommand(luks, source), close: closeCommand(luks) }],
  ...NOT_USED,
  describe: ({ name, label, enrollTpm2 }) => [
    { holds: `luks ${label}, opened as ${name}${enrollTpm2 ? ", also by the TPM" : ""}`, mountpoint: "", options: [] },
  ],
};

export function luksHolds<C extends AnyContent>({ name, content }: LuksContent<C>): readonly Held<C>[] {
  return content === null ? [] : [{ content, device: `/dev/mapper/${name}`, name, option: "content" }];
}

/** What it is only a part of is made when all of its devices are there. */
function isFilled({ content }: LuksContent): boolean {
  return content !== null && content.kind !== "member";
}

/** @param partition its name */
export function luksContent(declared: ConfigOf<typeof luksOptions>, partition: string): LuksContent<PlainContent> {
  const { passwordFile, additionalKeyFiles, settings, enrollTpm2, tpm2Pcrs, content } = declared;
  const own = declared.label ?? labelFrom(partition, LABEL);
  const name = declared.name ?? own;
  // Labels of their own: both are found by them.
  const inner = content === null ? null : plainContent(content, name === own ? `${name}-open` : name, null);
  const isTaken = declared.label === null && inner !== null && "label" in inner && inner.label === own;
  const label = isTaken ? labelFrom(`${own}-luks`, LABEL) : own;
  return {
    // disko prefers the question to the file.
    ...{ kind: "luks", label, name, passwordFile: declared.askPassword ? null : passwordFile, additionalKeyFiles },
    settings: {
      ...{ keyFile: settings.keyFile, keyFileSize: settings.keyFileSize, keyFileOffset: settings.keyFileOffset },
      ...{ allowDiscards: settings.allowDiscards, bypassWorkqueues: settings.bypassWorkqueues },
      crypttabExtraOpts: settings.crypttabExtraOpts,
    },
    ...{ enrollTpm2, tpm2Pcrs },
    ...{ extraFormatArgs: words(declared.extraFormatArgs), extraOpenArgs: words(declared.extraOpenArgs) },
    content: inner,
  };
}

/** A line of crypttab(5). @param key a file on the host; `null`: the TPM or a person */
export function crypttabLine(luks: LuksContent, key: string | null, more: readonly string[]): string {
  const { allowDiscards, bypassWorkqueues, keyFileSize, keyFileOffset, crypttabExtraOpts } = luks.settings;
  const options = [
    "luks",
    ...(allowDiscards ? ["discard"] : []),
    ...(bypassWorkqueues ? ["no-read-workqueue", "no-write-workqueue"] : []),
    ...(key === null || keyFileSize === null ? [] : [`keyfile-size=${keyFileSize}`]),
    ...(key === null || keyFileOffset === null ? [] : [`keyfile-offset=${keyFileOffset}`]),
    ...(luks.enrollTpm2 ? ["tpm2-device=auto"] : []),
    ...crypttabExtraOpts,
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
  const { allowDiscards, bypassWorkqueues } = luks.settings;
  const flags = [
    ...(allowDiscards ? ["--allow-discards"] : []),
    ...(bypassWorkqueues ? ["--perf-no_read_workqueue", "--perf-no_write_workqueue"] : []),
    ...luks.extraOpenArgs,
  ];
  const args = ["open", "--type", "luks2", ...flags, ...keyArguments(luks), "--", device, luks.name];
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
  return keyFile === null ? { ...enroll, passphrase: passphraseOf(luks, "PASSWORD") } : enroll;
}

function keyArguments({ settings }: LuksContent): readonly string[] {
  const { keyFile, keyFileSize, keyFileOffset } = settings;
  return [
    ...["--key-file", keyFile ?? "-"],
    ...(keyFile === null || keyFileSize === null ? [] : ["--keyfile-size", String(keyFileSize)]),
    ...(keyFile === null || keyFileOffset === null ? [] : ["--keyfile-offset", String(keyFileOffset)]),
  ];
}

function withKey(luks: LuksContent, command: DiskCommand): DiskCommand {
  return luks.settings.keyFile === null ? { ...command, passphrase: passphraseOf(luks, "stdin") } : command;
}

function passphraseOf({ name, passwordFile }: LuksContent, as: "stdin" | "PASSWORD") {
  return { file: passwordFile, of: name, as };
}
