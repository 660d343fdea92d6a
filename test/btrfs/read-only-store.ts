/** A store that is written to as that of a running host. */

/** Where `/nix` is read-only to everybody. @param through what the archive passes on its way */
export function targetOf(nix: string, through = "") {
  const readOnly = `mount --bind '${nix}' '${nix}' && mount -o remount,bind,ro '${nix}'`;
  return {
    argv: (command: string) => [
      ...["unshare", "--mount", "--propagation", "private", "--"],
      ...["sh", "-c", `${readOnly} && ${through} ${command}`],
    ],
  };
}
