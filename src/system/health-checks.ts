/** How a host tells that it is well. The fleet's agent asks; a release that makes a check fail is taken back. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

const line = types.strMatching(/[^\n]+/, "one line of text");

export const healthCheckOptions = {
  nixfleet: {
    healthChecks: mkOption({
      type: attrsOf(
        submodule({
          unit: mkOption({
            type: types.nullOr(types.strMatching(/[A-Za-z0-9:_.\\@-]+\.[a-z]+/, "the full name of a unit")),
            default: null,
            description: "A unit of systemd that has to be active.",
          }),
          url: mkOption({
            type: types.nullOr(types.strMatching(/https?:\/\/\S+/, "a URL")),
            default: null,
            description: "A URL that has to answer with `status`.",
          }),
          status: mkOption({ type: types.intBetween(100, 599), default: 200, description: "The status of `url`." }),
          tcp: mkOption({
            type: types.nullOr(types.strMatching(/\S+:\d{1,5}/, "an address and a port, such as localhost:25")),
            default: null,
            description: "Where somebody has to listen.",
          }),
          command: mkOption({
            type: listOf(line),
            default: [],
            description:
              "A program and its arguments that has to end with exit code 0. It runs confined as the agent is.",
          }),
          interval: mkOption({
            type: types.positiveInt,
            default: 60,
            description: "How often it is asked, in seconds.",
          }),
          timeout: mkOption({
            type: types.positiveInt,
            default: 10,
            description: "How long an answer may take, in seconds.",
          }),
          failures: mkOption({
            type: types.positiveInt,
            default: 3,
            description: "How often it has to fail, one time after the other, before the host counts as unhealthy.",
          }),
        }),
      ),
      default: {},
      example: { shop: { url: "http://localhost:3000/health" } },
      description:
        "Health checks, by name; scopes add those of their services. Without any, no unit of the host may have failed.",
    }),
  },
} as const;
