/** How busy the connections to a database are. */
import type { Sequelize } from "sequelize";
import { writerOf } from "./sqlite-store.ts";

export interface Pool {
  used: number;
  idle: number;
  /** Who waits for a free one. */
  waiting: number;
  /** The most that there may be. */
  limit: number;
}

/** What Sequelize's types hide. */
interface Hidden {
  options: { storage: string };
  connectionManager: { pool: { using: number; available: number; waiting: number; maxSize: number } };
}

/** Of a Sequelize instance; of an SQLite file the one connection that writes. */
export function poolOf(sequelize: Sequelize): Pool {
  const { options, connectionManager } = sequelize as unknown as Hidden;
  if (sequelize.getDialect() === "sqlite") return { ...writerOf(options.storage), limit: 1 };
  const { using, available, waiting, maxSize } = connectionManager.pool;
  return { used: using, idle: available, waiting, limit: maxSize };
}
