/** The partitions of a disk, or of an array, as they are declared. */
import { ProblemsError, problemsIn, UserError } from "../errors.ts";
import { contentOf } from "../layout/content.ts";
import { endOf, extentOf, FIRST, type Place } from "../layout/extent.ts";
import { BOOTABLE, type PartitionLayout } from "../layout/gpt.ts";
import { partitionType } from "../layout/partition-types.ts";
import { uuidOf } from "../layout/uuid.ts";
import { dotted } from "../modules/path.ts";
import type { SystemConfig } from "../system/options.ts";
import { attempt, type PlanProblem } from "./problem.ts";

export type DeclaredPartitions = SystemConfig["disko"]["devices"]["disk"][string]["content"]["partitions"];
type DeclaredPartition = DeclaredPartitions[string];

export interface Table {
  /** Where it is declared: `["disko", "devices", "disk", "main", "content"]`. */
  readonly path: readonly string[];
  /** UUIDs are made of it: `myhost main`. */
  readonly id: string;
  /** Whether it is an MBR. */
  readonly isMbr?: boolean;
  /** By which the host finds a partition that holds nothing; by its UUID, if not said. */
  readonly deviceAt?: (index: number) => string;
}

/** In the order in which they are made. @param problems gets those that cannot be */
export function partitionLayouts(
  table: Table,
  declared: DeclaredPartitions,
  problems: PlanProblem[],
): readonly PartitionLayout[] {
  const partitions: PartitionLayout[] = [];
  let end: Place | null = FIRST;
  const inOrder = Object.entries(declared).sort(
    ([nameA, a], [nameB, b]) => a.priority - b.priority || (nameA < nameB ? -1 : 1),
  );
  for (const [index, [key, one]] of inOrder.entries()) {
    const previous = { end, leaves: partitions.at(-1)?.leaves ?? 0 };
    const partition = attempt(problems, () => partitionLayout(table, key, index, one, previous));
    if (partition === undefined) continue;
    partitions.push(partition);
    end = endOf(partition, end);
  }
  return partitions;
}

function partitionLayout(
  { path, id, deviceAt, isMbr = false }: Table,
  key: string,
  index: number,
  declared: DeclaredPartition,
  previous: { readonly end: Place | null; readonly leaves: number },
): PartitionLayout {
  const { label, uuid, content, declaredAt } = declared;
  const name = label ?? declared.name ?? key;
  return declaredAs(dotted([...path, "partitions", key]), declaredAt, () => {
    const type = partitionType(declared.type);
    if (type === null) {
      throw new UserError(`type = ${JSON.stringify(declared.type)}: it is not known which type of partition that is`, [
        "write its GUID in the place of the code: sgdisk -i shows it",
      ]);
    }
    const own = uuid?.toLowerCase() ?? uuidOf(`${id} ${key}`);
    const isRandom = content?.type === "swap" && content.randomEncryption;
    const device = deviceAt?.(index) ?? `/dev/disk/by-partuuid/${own}`;
    return {
      ...{
        name,
        type,
        ...extentOf(declared, previous.end, previous.leaves),
        attributes: attributesOf(declared, isMbr),
      },
      uuid: uuid === null && !isRandom ? null : own,
      content: content === null ? null : contentOf(content, declared.name ?? key, device),
    };
  });
}

/** The flag of an MBR has its bit in a GPT. */
function attributesOf({ attributes, flags, bootable }: DeclaredPartition, isMbr: boolean): readonly number[] {
  const active = flags.includes("legacy_boot") || (isMbr && (bootable || flags.includes("boot")));
  return [...new Set([...attributes, ...(active ? [BOOTABLE] : [])])];
}

/** What is thrown there gets where it is declared. */
export function declaredAs<T>(path: string, declaredAt: readonly string[], make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [{ what, fix } = { what: "", fix: "" }] = problemsIn(error);
    throw new ProblemsError([{ what: `${path}: ${what}`, at: declaredAt, fix }]);
  }
}
