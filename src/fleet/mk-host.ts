/** One host: its name, its platform and its modules. */

import { type Problem, ProblemsError, problemsIn, UserError } from "../errors.ts";
import { requireObject } from "../modules/arguments.ts";
import type { ValuePath } from "../modules/defined-at.ts";
import { isPlainObject } from "../modules/definition.ts";
import { nearestName, shown } from "../modules/errors.ts";
import type { Evaluation } from "../modules/evaluate.ts";
import {
  defineModule as defineAnyModule,
  evaluateModules,
  type Module,
  type ModuleLike,
  moduleAt,
  type PlainModule,
} from "../modules/module.ts";
import { callerOf, type Place } from "../modules/place.ts";
import { mkDefault } from "../modules/properties.ts";
import { writtenAt } from "../modules/written.ts";
import { type HostPlan, hostPlan } from "../plan/host.ts";
import { attempt, type PlanProblem } from "../plan/problem.ts";
import { scopes } from "../scopes/index.ts";
import { hostSpecOptions } from "../system/host-spec.ts";
import { type SystemConfig, systemOptionTrees } from "../system/options.ts";
import type { Config, Options } from "./options.ts";

export interface HostDeclaration {
  /** As in RFC 1123. No module can change it. */
  readonly hostName: string;
  readonly platform: SystemConfig["hostSpec"]["platform"];
  /** Defaults that modules may override. */
  readonly hostSpec?: Partial<Omit<Config["hostSpec"], "hostName" | "platform">>;
  readonly modules: readonly (Module<never> | Module | PlainModule<Options>)[];
}

export interface Host {
  readonly kind: typeof HOST;
  readonly hostName: string;
  /** Where it is declared. */
  readonly place: Place;
  /** The final configuration, and how it came about; evaluated when it is first asked for. */
  readonly evaluation: Evaluation;
  readonly config: Config;
  /** Whatever works but should be known. */
  readonly warnings: readonly string[];
  /** @throws ProblemsError with everything that keeps it from being made, its assertions among it */
  plan(): HostPlan;
  /** The same, and every value that no plan needs is looked at. */
  check(): HostPlan;
  /** Where a value is defined, each `file:line`. */
  definedAt(path: ValuePath): readonly string[];
  /** Lets go of what was evaluated, for whoever looks at many hosts one after the other. It is evaluated anew when asked for. */
  forget(): void;
}

export const HOST: unique symbol = Symbol("mkHost");

/** Declares a host. @throws UserError for a name or a platform that no host can have */
export function mkHost(declaration: HostDeclaration): Host {
  requireObject(declaration, "mkHost", mkHost);
  return new DeclaredHost(declaration, callerOf(mkHost, [0]));
}

const PLATFORMS = ["x86_64-linux", "aarch64-linux"];
const systemModules: readonly ModuleLike[] = [
  ...systemOptionTrees.map((options) => defineAnyModule({ options })),
  ...Object.values(scopes),
];

class DeclaredHost implements Host {
  readonly kind: typeof HOST = HOST;
  readonly hostName: string;
  readonly place: Place;
  readonly #before: readonly ModuleLike[];
  readonly #modules: readonly ModuleLike[];
  readonly #list: Place;
  #evaluation: Evaluation | undefined;

  constructor(declaration: HostDeclaration, place: Place) {
    const problems = declarationProblems(declaration, place);
    if (problems.length > 0) throw new ProblemsError(problems);
    const { hostName, platform, hostSpec = {}, modules } = declaration;
    this.hostName = hostName;
    this.place = place.whole;
    const defaults = { ...mkDefault(hostSpec), place: place.inside("hostSpec") };
    this.#before = [
      ...systemModules,
      moduleAt({ config: { hostSpec: { hostName, platform } } }, place),
      moduleAt({ config: { hostSpec: defaults } }, place),
    ];
    this.#modules = modules;
    this.#list = place.inside("modules");
  }

  get evaluation(): Evaluation {
    this.#evaluation ??= this.#evaluate(false);
    return this.#evaluation;
  }

  #evaluate(collecting: boolean): Evaluation {
    return evaluateModules(this.#modules, this.#list, { before: this.#before, collecting });
  }

  get config(): Config {
    return this.evaluation.config as Config;
  }

  get warnings(): readonly string[] {
    return this.config.warnings;
  }

  plan(): HostPlan {
    const problems: PlanProblem[] = [];
    const plan = attempt(problems, () => planned(this.evaluation.values as Config, problems));
    if (plan !== undefined && problems.length === 0) return plan;
    throw new ProblemsError(this.#all() ?? distinct(problems));
  }

  check(): HostPlan {
    try {
      this.evaluation.force();
      return this.plan();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new ProblemsError(this.#all() ?? problemsIn(error));
    }
  }

  definedAt(path: ValuePath): readonly string[] {
    return this.evaluation.definedAt(path);
  }

  forget(): void {
    this.#evaluation = undefined;
  }

  /** All that is wrong, from a new evaluation that goes on after an error; `undefined` where it finds nothing. */
  #all(): readonly Problem[] | undefined {
    const problems: PlanProblem[] = [];
    const evaluation = attempt(problems, () => this.#evaluate(true));
    if (evaluation === undefined) return problems;
    evaluation.force();
    attempt(problems, () => planned(evaluation.config as Config, problems));
    const all = [...evaluation.problems, ...problems.map((problem) => placed(problem, evaluation))];
    return all.length === 0 ? undefined : distinct(all);
  }
}

function planned(config: Config, problems: PlanProblem[]): HostPlan | undefined {
  const assertions = attempt(problems, () => config.assertions) ?? [];
  for (const { assertion, message, declaredAt } of assertions) {
    if (!assertion) problems.push({ what: message, at: declaredAt, fix: "" });
  }
  return hostPlan(config, problems);
}

function declarationProblems(declaration: HostDeclaration, place: Place): Problem[] {
  const { hostName, platform, hostSpec = {}, modules } = declaration;
  const problems: Problem[] = [];
  const wrong = (what: string, key: string, fix: string) =>
    problems.push({ what, at: [writtenAt(place.inside(key))], fix });
  const host = `host ${typeof hostName === "string" ? hostName : shown(hostName)}`;
  const { accepts, description } = hostSpecOptions.hostSpec.hostName.type;
  if (!accepts(hostName)) wrong(`${shown(hostName)} is not a host name`, "hostName", `wanted ${description}`);
  if (!PLATFORMS.includes(platform)) {
    const nearest = nearestName(typeof platform === "string" ? platform : "", PLATFORMS);
    const fix = nearest ? `did you mean ${nearest}?` : `known are ${PLATFORMS.join(" and ")}`;
    wrong(`${host}: unknown platform ${shown(platform)}`, "platform", fix);
  }
  if (!isPlainObject(hostSpec)) {
    const fix = 'write it as { userName: "alice" }';
    wrong(`${host}: \`hostSpec\` wants an object, got ${shown(hostSpec)}`, "hostSpec", fix);
  }
  for (const name of ["hostName", "platform"].filter(
    (one) => isPlainObject(hostSpec) && Object.hasOwn(hostSpec, one),
  )) {
    wrong(`${host}: hostSpec cannot set ${name}`, "hostSpec", `set \`${name}\` of mkHost itself`);
  }
  if (!Array.isArray(modules)) wrong(`${host}: \`modules\` wants a list, got ${shown(modules)}`, "modules", "");
  return problems;
}

export function isHost(value: unknown): value is Host {
  return value instanceof DeclaredHost;
}

/** Several parts of a plan may meet the same problem. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

/** With the places where its option is defined, for one that was found in a value. */
function placed({ what, at, fix, option }: PlanProblem, evaluation: Evaluation): Problem {
  return { what, at: at.length > 0 || option === undefined ? at : evaluation.definedAt(option), fix };
}
