/** The options of commands that start a rollout. */

/** How a release comes to machines. */
export const how = {
  tag: ["--tag <tags...>", "the machines with any of these tags; without it and without names, all of the release"],
  canary: ["--canary", "one machine first"],
  waves: ["--waves <list>", "how many have changed when each wave ends, such as 1,10%,50%,100%"],
  atOnce: ["--at-once <amount>", "how many of a wave may be under way at a time: a number or a percentage", "100%"],
  tolerate: ["--tolerate <amount>", "how many may fail: a number or a percentage", "0"],
  soak: ["--soak <seconds>", "how long a wave is healthy before the next begins", "0"],
  patience: ["--patience <seconds>", "how long a machine may take", "1800"],
  onFailure: ["--on-failure <what>", "pause or revert", "pause"],
  apply: ["--apply <how>", "live, reboot, or next-boot: whenever somebody reboots the host", "live"],
  acceptStray: ["--accept-stray", "change machines that keep data which nothing would claim any more"],
} as const;
