import type { Statements } from "./database.ts";

/** The database's own time (milliseconds), so that clocks of nodes need not agree. */
export function databaseNow(db: Statements): Promise<number> {
  return db.number(
    db.sequelize.getDialect() === "mysql"
      ? "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS n"
      : "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS n",
  );
}
