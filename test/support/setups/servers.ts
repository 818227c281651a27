process.env["SETUP"] = "servers";
const shared = JSON.parse(process.env["SHARED_SERVERS"] ?? "{}") as { mariadb?: string };
if (shared.mariadb) process.env["TEST_MARIADB_URL"] = shared.mariadb;
