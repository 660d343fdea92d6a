/** A store that is written to as that of a running host. */

/** Where `/nix` is read-only to everybody. @param through a command that passes on what comes from here */
export function targetOf(nix: string, through = "cat") {
  const readOnly = `mount --bind '${nix}' '${nix}' && mount -o remount,bind,ro '${nix}'`;
  return {
    argv: (command: string) => [
      ...["unshare", "--mount", "--propagation", "private", "--"],
      // Not a pipeline: that would wait for the end of `through`, which waits for the end of what comes.
      ...["bash", "-c", `${readOnly} && ${command} < <(${through})`],
    ],
  };
}
