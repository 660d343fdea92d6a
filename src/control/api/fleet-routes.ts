/** What a page for people begins with: whose key it has, and how the fleet is. */
import { z } from "zod";
import { counter, text } from "../../wire/names.ts";
import { rolloutStatus } from "../../wire/rollout.ts";
import { fleetCounts } from "../store/counts.ts";
import { ROLES } from "../store/schema.ts";
import { Refusal } from "./refusal.ts";
import { noBody, noParams, noQuery, route } from "./route.ts";

export const fleetRoutes = [
  route({
    method: "get",
    path: "/fleet",
    who: "readonly",
    summary: "How many machines and rollouts are in which state, and what the key of this request may do.",
    params: noParams,
    query: noQuery,
    body: noBody,
    answer: z.strictObject({
      key: z.strictObject({ name: text(100), role: z.enum(ROLES) }),
      machines: z.array(z.strictObject({ lifecycle: text(20), outcome: text(20), count: counter })),
      rollouts: z.array(z.strictObject({ status: rolloutStatus, count: counter })),
    }),
    status: 200,
    handle: async ({ db, caller }) => {
      if (caller.kind !== "key") throw new Refusal(401, "this is for operators, with their key");
      return { status: 200, body: { key: { name: caller.name, role: caller.role }, ...(await fleetCounts(db)) } };
    },
  }),
];
