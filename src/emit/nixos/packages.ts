/** What Debian's packages are called in nixpkgs. The table is kept by hand; what is in no table is never guessed. */
import { UserError } from "../../errors.ts";
import { type NixValue, nixPackage } from "../../scopes/on-nixos.ts";
import { PACKAGES } from "./package-names.ts";

/**
 * @param declared the host's own table; `null` leaves a package out
 * @throws UserError that says what to write, for packages that are in no table
 */
export function nixPackages(
  names: readonly string[],
  declared: Readonly<Record<string, string | null>>,
): { readonly packages: readonly NixValue[]; readonly leftOut: readonly string[] } {
  const own = new Map(Object.entries(declared));
  const unknown = names.filter((name) => !own.has(name) && !PACKAGES.has(name));
  if (unknown.length > 0) {
    const pairs = unknown.map((name) => `${JSON.stringify(name)}: "…"`).join(", ");
    throw new UserError(
      unknown.length === 1
        ? `the Debian package ${unknown[0]} has no name in nixpkgs here`
        : `${unknown.length} Debian packages have no name in nixpkgs here: ${unknown.join(", ")}`,
      [
        `write environment: { nixPackages: { ${pairs} } } with the attribute of nixpkgs, as search.nixos.org/packages shows it`,
        "or null in its place for a package that the host does without there",
      ],
    );
  }
  const attributes = new Set<string>();
  for (const name of names) {
    for (const attribute of (own.has(name) ? own.get(name) : PACKAGES.get(name))?.split(" ") ?? [])
      attributes.add(attribute);
  }
  return {
    packages: [...attributes].sort().map(nixPackage),
    leftOut: names.filter((name) => own.get(name) === null),
  };
}
