/** What partitions are for, as the partition table says it: the codes of sgdisk(8), which disko takes too. */
import type { OptionType } from "../modules/option.ts";
import * as types from "../modules/types.ts";

/** A name of ours, or for any other a GUID in capitals. */
export type PartitionType = string;

/** The type of an option that is a code or a GUID. */
export const partitionCodeType: OptionType<string> = types.strMatching(
  /[0-9A-Fa-f]{4}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/,
  'a type such as "EF00", "8300" or a GUID',
);

/** `null`: a code that is not known here. */
export function partitionType(code: string): PartitionType | null {
  const capitals = code.toUpperCase();
  if (capitals.length > 4) return TYPES.find(({ guid }) => guid === capitals)?.name ?? capitals;
  return TYPES.find((type) => type.code === capitals)?.name ?? null;
}

/** As in the table. */
export function partitionGuid(type: PartitionType): string {
  return TYPES.find(({ name }) => name === type)?.guid ?? type;
}

/** In an MBR, in hexadecimal as sfdisk(8) prints it; `null`: it has none for that. */
export function mbrCode(type: PartitionType): string | null {
  return MBR_CODES.get(type) ?? null;
}

const MBR_CODES: ReadonlyMap<PartitionType, string> = new Map(
  Object.entries({ esp: "ef", swap: "82", linux: "83", lvm: "8e", raid: "fd", data: "c" }),
);

/** UEFI specification, table 5-7, and the UAPI Group's Discoverable Partitions Specification; the codes are sgdisk's. */
const TYPES = [
  { code: "EF00", name: "esp", guid: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
  { code: "EF02", name: "bios-boot", guid: "21686148-6449-6E6F-744E-656564454649" },
  { code: "EA00", name: "xbootldr", guid: "BC13C2FF-59E6-4262-A352-B275FD6F7172" },
  { code: "8200", name: "swap", guid: "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F" },
  { code: "8300", name: "linux", guid: "0FC63DAF-8483-4772-8E79-3D69D8477DE4" },
  { code: "8301", name: "linux-reserved", guid: "8DA63339-0007-60C0-C436-083AC8230908" },
  { code: "8302", name: "home", guid: "933AC7E1-2EB4-4F13-B844-0E14E2AEF915" },
  { code: "8303", name: "root-x86", guid: "44479540-F297-41B2-9AF7-D131D5F0458A" },
  { code: "8304", name: "root-x86-64", guid: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" },
  { code: "8305", name: "root-arm64", guid: "B921B045-1DF0-41C3-AF44-4C6F280D3FAE" },
  { code: "8306", name: "srv", guid: "3B8F8425-20E0-4F3B-907F-1A25A76F98E8" },
  { code: "8307", name: "root-arm", guid: "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3" },
  { code: "8308", name: "dm-crypt", guid: "7FFEC5C9-2D00-49B7-8941-3EA10A5586B7" },
  { code: "8309", name: "luks", guid: "CA7D7CCB-63ED-4C53-861C-1742536059CC" },
  { code: "8310", name: "var", guid: "4D21B016-B534-45C2-A9FB-5C16E091FD2D" },
  { code: "8311", name: "var-tmp", guid: "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1" },
  { code: "8E00", name: "lvm", guid: "E6D6D379-F507-44C2-A23C-238F2A3DF928" },
  { code: "FD00", name: "raid", guid: "A19D880F-05FC-4D3B-A006-743F0F84911E" },
  { code: "0700", name: "data", guid: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" },
  { code: "0C01", name: "windows-reserved", guid: "E3C9E316-0B5C-4DB8-817D-F92DF00215AE" },
  { code: "2700", name: "windows-recovery", guid: "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC" },
] as const;
