/** Every option type, under the one name by which `fleet.ts` knows them: `types.listOf(types.str)`. */
export * from "./modules/collections.ts";
export {
  absolutePath,
  bool,
  coercedTo,
  either,
  enum,
  int,
  intBetween,
  lines,
  nonEmptyStr,
  nullOr,
  oneOf,
  port,
  positiveInt,
  str,
  strMatching,
  unsignedInt,
} from "./modules/types.ts";
