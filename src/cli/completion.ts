/** `nixfleet completion SHELL`: what completes the command line, made from its own commands. */
import type { CommandUnknownOpts as Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { quoted } from "../local/process.ts";
import { print } from "./output.ts";

export function completion(program: Command, shell: string): void {
  const script = { bash, zsh, fish }[shell];
  if (script === undefined) throw new UserError(`there is no completion for ${shell}`, ["choose bash, zsh or fish"]);
  print(script(program).trimEnd());
}

function bash(program: Command): string {
  return `# bash completion of nixfleet: eval "$(nixfleet completion bash)", or into /etc/bash_completion.d/
_nixfleet() {
  local word command= before= words current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      -*) ;;
      *) [ "$before" = --fleet ] || { command=$word; break; } ;;
    esac
    before=$word
  done
  case \${COMP_WORDS[COMP_CWORD-1]} in
    ${valued(program).join("|")}) return ;;
  esac
  case $command in
    '') words=${quoted([...names(program), ...flags(program)].join(" "))} ;;
${visible(program)
  .map((command) => {
    const words = [...flags(command), ...flags(program)].join(" ");
    return `    ${command.name()}) words=${quoted(words)}${takesHosts(command) ? '; words+=" $(nixfleet hosts 2>/dev/null)"' : ""} ;;`;
  })
  .join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _nixfleet nixfleet
`;
}

/** zsh reads bash's. */
function zsh(program: Command): string {
  return `#compdef nixfleet
# zsh completion of nixfleet: eval "$(nixfleet completion zsh)"
autoload -Uz bashcompinit && bashcompinit
${bash(program)}`;
}

function fish(program: Command): string {
  const line = (...parts: readonly string[]) => ["complete -c nixfleet", ...parts].join(" ");
  const option = (one: Option) =>
    [`-l ${(one.long ?? "").slice(2)}`, ...(one.required ? ["-r"] : []), `-d ${quoted(one.description)}`].join(" ");
  return [
    "# fish completion of nixfleet: nixfleet completion fish >~/.config/fish/completions/nixfleet.fish",
    ...program.options.map((one) => line(option(one))),
    ...visible(program).flatMap((command) => {
      const within = `-n '__fish_seen_subcommand_from ${command.name()}'`;
      return [
        line("-f", "-n __fish_use_subcommand", `-a ${command.name()}`, `-d ${quoted(command.description())}`),
        ...command.options.map((one) => line(within, option(one))),
        ...(takesHosts(command) ? [line("-f", within, "-a '(nixfleet hosts 2>/dev/null)'")] : []),
      ];
    }),
    "",
  ].join("\n");
}

export function visible(program: Command): readonly Command[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== "help");
}

function names(program: Command): string[] {
  return visible(program).map((command) => command.name());
}

function flags({ options }: Command): string[] {
  return [...options.map(({ long }) => long ?? ""), "--help"];
}

/** What follows these is a file, or whatever else: bash's own completion has it. */
function valued(program: Command): string[] {
  const all = [program, ...visible(program)].flatMap(({ options }) => options);
  return [...new Set(all.filter(({ required }) => required).map(({ long }) => long ?? ""))];
}

function takesHosts({ registeredArguments }: Command): boolean {
  return registeredArguments.some((argument) => /^hosts?$/.test(argument.name()));
}
