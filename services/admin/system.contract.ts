import type { Static } from "typebox";
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { TELLING_DOMAINS } from "../../lib/settings.ts";
import { Id, List, Nullable, OneOf, Page, Time } from "../../lib/types.ts";
import { NodeStatus } from "../node.contract.ts";

const { startedAt: _startedAt, ...Status } = NodeStatus.properties;

/** A node that answers, with all that it knows of itself; of others only that they are there, or were. */
const Node = T.Object({
  id: T.String(),
  answers: OneOf(["yes", "silent", "gone"], {
    description:
      "`silent`: it is in the cluster and did not answer within a second. `gone`: it left, or was lost, in the last ten minutes.",
  }),
  status: Nullable(T.Object({ ...Status, startedAt: Time, uptimeSeconds: T.Integer() })),
});

const Queue = T.Object({
  domain: T.String(),
  available: T.Boolean(),
  waiting: Nullable(T.Integer()),
  oldest: Nullable(Time),
  oldestSeconds: Nullable(T.Integer()),
  dead: Nullable(T.Integer()),
});

const Saga = T.Object({
  id: T.String(),
  type: T.String(),
  state: OneOf(["running", "undoing", "done", "undone"]),
  step: T.Integer({ description: "How many steps after the first are done" }),
  stepName: Nullable(T.String({ description: "The next step" })),
  undone: T.Array(T.String(), { description: "Steps that are taken back" }),
  tries: T.Integer(),
  createdAt: Time,
  updatedAt: Time,
});

const System = T.Object({
  nodes: T.Array(Node),
  services: T.Array(T.Object({ name: T.String(), nodes: T.Array(T.String()), available: T.Boolean() })),
  missing: T.Array(T.String(), { description: "Services that no node runs" }),
  queues: T.Array(Queue),
  circuits: T.Array(
    T.Object({ by: T.String(), action: T.String(), node: T.String(), state: OneOf(["open", "half-open"]) }),
  ),
  databases: T.Array(T.Object({ node: T.String(), ...NodeStatus.properties.stores.items.properties })),
  sagas: Nullable(T.Array(Saga)),
  reminders: Nullable(T.Object({ waiting: T.Integer(), oldest: Nullable(Time), dropped: T.Integer() })),
  generatedAt: Time,
});
export type System = Static<typeof System>;

const Domain = OneOf(TELLING_DOMAINS);
const LetterId = T.String({ minLength: 1, maxLength: 101, pattern: "^[\\x21-\\x7e]+$" });
const Letter = T.Object({
  id: T.String({ description: "`<message>:<consumer>`" }),
  domain: T.String(),
  type: T.String(),
  consumer: T.String(),
  error: T.String(),
  attempts: T.Integer(),
  createdAt: Time,
});

const Rebuild = T.Object({
  running: T.Boolean(),
  nodes: T.Array(
    T.Object({
      node: T.String(),
      shared: T.Boolean({
        description: "The indices are on Elasticsearch, and one node builds them for all",
      }),
      running: T.Boolean(),
      clubs: T.Integer({ description: "So far, or in all" }),
      posts: T.Integer(),
      startedAt: Nullable(Time),
      endedAt: Nullable(Time),
      error: Nullable(T.String()),
    }),
  ),
});

const NodeId = T.String({ minLength: 1, maxLength: 100, pattern: "^[\\x21-\\x7e]+$" });

export const system = declare("system", {
  overview: {
    rest: "GET /admin/system",
    summary: {
      en: "Nodes, services, queues, circuits and databases as they are now",
      "zh-CN": "节点、服务、队列、熔断与数据库的当前状态",
    },
    returns: System,
    access: "administrator",
    timeout: 5_000,
  },
  deadLetters: {
    rest: "GET /admin/system/dead-letters",
    summary: { en: "Dead letters of a domain, by age of their messages", "zh-CN": "某领域的死信" },
    params: T.Object({ domain: Domain, ...Page }),
    returns: List(Letter),
    access: "administrator",
  },
  deadLetter: {
    rest: "GET /admin/system/dead-letters/:domain/:id",
    summary: { en: "A dead letter with its message", "zh-CN": "死信及其消息" },
    params: T.Object({ domain: Domain, id: LetterId }),
    returns: T.Object({ ...Letter.properties, envelope: T.Record(T.String(), T.Unknown()) }),
    access: "administrator",
  },
  replay: {
    rest: "POST /admin/system/dead-letters/replay",
    summary: {
      en: "Put a dead letter, or all of a domain, back into the queue",
      "zh-CN": "重新投递一封或某领域的全部死信",
    },
    params: T.Object({ domain: Domain, id: T.Optional(LetterId) }),
    returns: T.Object({
      replayed: T.Integer(),
      more: T.Boolean({ description: "Time was up: ask again for the rest" }),
    }),
    access: "administrator",
    errors: ["NOT_FOUND"],
    audit: { subject: "queue", id: "domain", fields: ["replayed"] },
  },
  drop: {
    rest: "POST /admin/system/dead-letters/drop",
    summary: {
      en: "Drop a dead letter for good: its consumer never gets the message",
      "zh-CN": "永久丢弃死信：其消费者将不会收到该消息",
    },
    params: T.Object({
      domain: Domain,
      id: LetterId,
      reason: T.String({ minLength: 1, maxLength: 500, description: "For the audit log" }),
    }),
    access: "administrator",
    errors: ["ERASURE_OWED", "NOT_FOUND"],
    audit: { subject: "deadLetter", fields: ["domain", "type", "reason"] },
  },
  sagas: {
    rest: "GET /admin/system/sagas",
    summary: { en: "Sagas that have not ended, oldest first", "zh-CN": "未结束的流程（旧的在前）" },
    params: T.Object(Page),
    returns: List(Saga),
    access: "administrator",
  },
  finishSaga: {
    rest: "POST /admin/system/sagas/:id/finish",
    summary: { en: "Run a saga's remaining steps now", "zh-CN": "立即完成流程的剩余步骤" },
    params: T.Object({ id: Id }),
    returns: Saga,
    status: 200,
    access: "administrator",
    errors: ["SAGA_HELD", "SAGA_ENDED", "SAGA_UNDOING", "SAGA_STUCK"],
    audit: { subject: "saga", fields: ["state"] },
  },
  undoSaga: {
    rest: "POST /admin/system/sagas/:id/undo",
    summary: {
      en: "Run a saga's compensations now; those that fail are tried again by themselves",
      "zh-CN": "立即撤销流程；失败的补偿会自动重试",
    },
    params: T.Object({ id: Id }),
    returns: Saga,
    status: 200,
    access: "administrator",
    errors: ["SAGA_HELD", "SAGA_ENDED"],
    audit: { subject: "saga", fields: ["state"] },
  },
  rebuildSearch: {
    rest: "POST /admin/system/search/rebuild",
    summary: {
      en: "Build the search indices anew; GET tells how far it is",
      "zh-CN": "重建搜索索引，进度见 GET",
    },
    returns: Rebuild,
    status: 202,
    access: "administrator",
    audit: { subject: "search", id: null },
  },
  searchRebuild: {
    rest: "GET /admin/system/search/rebuild",
    summary: { en: "How far the last rebuild is", "zh-CN": "搜索索引重建进度" },
    returns: Rebuild,
    access: "administrator",
  },
  endSessions: {
    rest: "DELETE /admin/users/:id/sessions",
    summary: { en: "End all sessions of a person, on both gateways", "zh-CN": "结束某人的全部会话" },
    params: T.Object({ id: Id }),
    returns: T.Object({ ended: T.Integer(), admin: T.Integer() }),
    access: "administrator",
    audit: { subject: "user", fields: ["ended", "admin"] },
  },
  drain: {
    rest: "POST /admin/system/nodes/:id/drain",
    summary: {
      en: "Have a node finish what it has and take no more work; it then waits to be ended",
      "zh-CN": "让节点处理完现有工作后停止接收新工作，等待被结束",
    },
    params: T.Object({
      id: NodeId,
      force: T.Optional(T.Boolean({ description: "Also the last node of a domain" })),
    }),
    returns: T.Object({ id: T.String(), state: OneOf(["running", "draining", "drained"]) }),
    status: 202,
    access: "administrator",
    errors: ["LAST_NODE", "NODE_SILENT"],
    audit: { subject: "node", fields: ["state", "force"] },
  },
});
