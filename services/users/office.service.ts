import { AppError } from "../../lib/errors.ts";
import { implement } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import type { Tx } from "../../lib/database.ts";
import { database } from "../../mixins/database.ts";
import { load, presentOwn } from "./accounts.ts";
import { office } from "./office.contract.ts";
import { givenRoles } from "./roles.ts";
import { listPeople } from "./search-people.ts";
import { setRoles, setStatus } from "./standing.ts";

export default implement(office, {
  mixins: [database("users")],
  methods: {
    /** A change by an administrator, whom the admin domain has admitted. */
    async changeBy<R>(ctx: Ctx<{ by: string }>, work: (tx: Tx) => Promise<R>): Promise<R> {
      const answer = await this.db.transaction(work, {
        actor: ctx.params.by,
        requestId: ctx.requestID ?? null,
      });
      this.relay.nudge();
      return answer;
    },
  },
  actions: {
    async list(ctx) {
      return listPeople(this.db.primary, ctx.params, ctx.headers.lang);
    },
    async get(ctx) {
      const user = await load(this.db.primary, ctx.params.id);
      if (!user || user.status === "erased") throw new AppError("NOT_FOUND");
      return presentOwn(user, await givenRoles(this.db.primary, user.id));
    },
    async setRoles(ctx) {
      return this.changeBy(ctx, (tx) => setRoles(tx, ctx, ctx.params));
    },
    async setStatus(ctx) {
      return this.changeBy(ctx, (tx) => setStatus(tx, ctx, this.broker, ctx.params));
    },
  },
});
