/** Prometheus's exporter of a machine's own metrics. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const nodeExporter = defineModule(
  {
    options: {
      services: {
        prometheus: {
          exporters: {
            node: {
              enable: mkEnableOption("Prometheus's exporter of the machine's metrics"),
              port: mkOption({ type: types.port, default: 9100, description: "The TCP port it listens on." }),
            },
          },
        },
      },
    },
  },
  mkIf(({ services }) => services.prometheus.exporters.node.enable, {
    environment: {
      systemPackages: ["prometheus-node-exporter"],
      etc: {
        "default/prometheus-node-exporter": {
          text: ({ services }) => `ARGS="--web.listen-address=:${services.prometheus.exporters.node.port}"`,
        },
      },
      persistence: persisted({
        directories: [
          { directory: "/var/lib/prometheus/node-exporter", purpose: "metrics that jobs of the host leave as files" },
        ],
      }),
    },
  }),
);
