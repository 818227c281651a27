/** The public gateway. `/admin/*` is the admin gateway's alone. */
import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { runtimeOf } from "../../mixins/runtime.ts";
import { blobPages } from "./blobs.ts";
import { Gateway } from "./gateway.ts";
import type { GatewayRequest, GatewayResponse } from "./exchange.ts";
import { THRESHOLDS } from "./overload.ts";
import type { Thresholds } from "./overload.ts";
import { isPublic } from "./paths.ts";
import { streamPage } from "./stream.ts";
import { Streams, STREAMING } from "./streams.ts";
import type { Streaming } from "./streams.ts";
import { webGateway } from "./web.ts";
import type { WebService } from "./web.ts";

interface ApiSettings extends ServiceSettingSchema {
  thresholds: Thresholds;
  streaming: Streaming;
}

const service: ServiceSchema<ApiSettings> & ThisType<WebService & { settings: ApiSettings }> = {
  name: "api",
  mixins: [webGateway],
  settings: { thresholds: THRESHOLDS, streaming: STREAMING },

  events: {
    "sessions.revoked"(ctx: { params: { sids?: unknown } }) {
      this.gateway.revocations.add(ctx.params.sids);
    },
    "notifications.told"(ctx: { params: { users?: unknown } }) {
      this.gateway.streams?.told(ctx.params.users);
    },
  },

  async started() {
    const runtime = runtimeOf(this.broker);
    const streams = new Streams(this.broker, this.logger, this.settings.streaming);
    this.gateway = new Gateway(this.broker, runtime, this.logger, {
      name: "api",
      label: "public",
      serves: isPublic,
      port: runtime.settings.port,
      portVariable: "PORT",
      verifier: runtime.verifier,
      revocations: "sessions.revokedSince",
      thresholds: this.settings.thresholds,
      streams,
      pages: [streamPage(streams), ...blobPages(runtime.settings)],
    });
    await this.gateway.start((req: GatewayRequest, res: GatewayResponse) => {
      this.httpHandler(req, res);
    });
  },

  async stopped() {
    this.gateway?.stop();
  },
};

export default service;
