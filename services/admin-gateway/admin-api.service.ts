/** The admin gateway: `/admin/*`, for sessions of its own, from the networks that administrators allow. */
import type { ServiceSchema } from "moleculer";
import { AppError } from "../../lib/errors.ts";
import type { LiveSettings } from "../../lib/live-settings.ts";
import { isInNetworks } from "../../lib/networks.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { Gateway } from "../gateway/gateway.ts";
import type { Exchange, GatewayRequest, GatewayResponse } from "../gateway/exchange.ts";
import { isAdministrative } from "../gateway/paths.ts";
import { webGateway } from "../gateway/web.ts";
import type { WebService } from "../gateway/web.ts";

const service: ServiceSchema & ThisType<WebService & { forgetLive?: () => void }> = {
  name: "admin-api",
  mixins: [webGateway],

  events: {
    "adminSessions.revoked"(ctx: { params: { sids?: unknown } }) {
      this.gateway.revocations.add(ctx.params.sids);
    },
  },

  async started() {
    const runtime = runtimeOf(this.broker);
    const { live, readiness, settings } = runtime;
    this.gateway = new Gateway(this.broker, runtime, this.logger, {
      name: "admin-api",
      label: "admin",
      serves: isAdministrative,
      port: settings.adminPort,
      portVariable: "ADMIN_PORT",
      verifier: runtime.adminVerifier,
      revocations: "adminAuth.revokedSince",
      bars: (exchange) => barred(exchange, live),
    });
    const waits = "admin-api: settings";
    if (!live.known) readiness.block(waits, "what administrators have set is not known yet");
    this.forgetLive = live.onTold(() => readiness.clear(waits));
    await this.gateway.start((req: GatewayRequest, res: GatewayResponse) => {
      this.httpHandler(req, res);
    });
  },

  async stopped() {
    this.forgetLive?.();
    this.gateway?.stop();
  },
};

/** Until the networks are known nobody is served, since nobody knows whom to turn away. */
function barred({ address }: Exchange, live: LiveSettings): AppError | null {
  if (!live.known) return new AppError("UNAVAILABLE", { retryAfter: 2 });
  const networks = live.get("admin.allowedNetworks");
  if (networks.length === 0 || isInNetworks(address.text, networks)) return null;
  return new AppError("NETWORK_NOT_ALLOWED");
}

export default service;
