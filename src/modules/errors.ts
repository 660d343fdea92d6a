/** Errors for the person who caused them: what is wrong, where, what to do. */

/** An error that the command line prints without a stack: one line first, then details. */
export class UserError extends Error {
  readonly detail: readonly string[];

  constructor(message: string, detail: readonly string[] = []) {
    super(message);
    this.name = new.target.name;
    this.detail = detail;
  }

  /** The whole text: the message, then each detail on an indented line. */
  get text(): string {
    return [this.message, ...this.detail.map((line) => `  ${line}`)].join("\n");
  }
}
