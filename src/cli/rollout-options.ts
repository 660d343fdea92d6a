/** The options of commands that start a rollout. */
import type { Command, OptionValues } from "@commander-js/extra-typings";

/** How a release comes to machines. */
export function withRolloutOptions<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options, OptionValues>,
) {
  return command
    .option("--tag <tags...>", "the machines with any of these tags; without it and without names, all of the release")
    .option("--canary", "one machine first")
    .option("--waves <list>", "how many have changed when each wave ends, such as 1,10%,50%,100%")
    .option("--tolerate <amount>", "how many may fail: a number or a percentage", "0")
    .option("--soak <seconds>", "how long a wave is healthy before the next begins", "0")
    .option("--patience <seconds>", "how long a machine may take", "1800")
    .option("--on-failure <what>", "pause or revert", "pause")
    .option("--apply <how>", "live or reboot", "live")
    .option("--accept-stray", "change machines that keep data which nothing would claim any more");
}
