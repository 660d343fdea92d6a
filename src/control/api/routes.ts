/** Every route of the API. */
import { agentRoutes } from "./agent-routes.ts";
import { fleetRoutes } from "./fleet-routes.ts";
import { keyRoutes } from "./key-routes.ts";
import { machineRoutes } from "./machine-routes.ts";
import { releaseRoutes } from "./release-routes.ts";
import { rolloutRoutes } from "./rollout-routes.ts";
import type { Route } from "./route.ts";

export const BASE = "/api/v1";
export const ROUTES: readonly Route[] = [
  ...agentRoutes,
  ...fleetRoutes,
  ...machineRoutes,
  ...releaseRoutes,
  ...rolloutRoutes,
  ...keyRoutes,
];
