/** disko's older `table`: partitions as a list, with flags of parted. */
import { attrsOf } from "../modules/collections.ts";
import type { OptionType } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { partitionType } from "./partition.ts";

const list: OptionType<readonly unknown[]> = {
  description: "a list of partitions",
  accepts: (value) => Array.isArray(value),
  merge: ([definition]) => (Array.isArray(definition?.value) ? definition.value : []),
};

/** A list is a set whose order is that of the list. */
export const partitionsType = types.coercedTo(list, named, attrsOf(partitionType));

function named(partitions: readonly unknown[]): object {
  const names = new Set<string>();
  return Object.fromEntries(
    partitions.map((partition, index) => {
      const declared = typeof partition === "object" && partition !== null ? partition : {};
      const own = "name" in declared && typeof declared.name === "string" ? declared.name : "";
      const name = own === "" || names.has(own) ? `${own}${index + 1}` : own;
      names.add(name);
      return [name, { priority: index + 1, end: "100%", ...declared, name }];
    }),
  );
}
