/** Prometheus's exporter of a machine's own metrics. */

import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const nodeExporter = defineModule(
  {
    options: {
      services: {
        prometheus: {
          exporters: {
            node: {
              enable: mkEnableOption("Prometheus's node exporter, for metrics of the machine"),
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
          { directory: "/var/lib/prometheus/node-exporter", purpose: "metrics that jobs on the host write to files" },
        ],
      }),
    },
  }),
);

export const nodeExporterOnNixos: OnNixos<ScopeConfig<typeof nodeExporter>> = {
  enabled: ({ services }) => services.prometheus.exporters.node.enable,
  options: ({ services }) => ({
    services: {
      prometheus: {
        exporters: {
          node: {
            enable: true,
            port: services.prometheus.exporters.node.port,
            extraFlags: ["--collector.textfile.directory=/var/lib/prometheus/node-exporter"],
          },
        },
      },
    },
  }),
  packages: ["prometheus-node-exporter"],
  etc: /^default\/prometheus-node-exporter$/,
};
