// The replica set and the users of the domains of documents; mongosh runs it, again and again without harm.
const { readFileSync } = require("node:fs");

const secret = (name) => readFileSync(`/run/secrets/${name}`, "utf8").trim();
const MEMBERS = ["mongo-1:27017", "mongo-2:27017", "mongo-3:27017"];

const at = connect(
  `mongodb://root:${secret("mongo_root_password")}@mongo-1:27017/admin?directConnection=true`,
);
try {
  at.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  at.adminCommand({
    replSetInitiate: { _id: "rs0", members: MEMBERS.map((host, _id) => ({ _id, host, priority: 3 - _id })) },
  });
}

const set = connect(
  `mongodb://root:${secret("mongo_root_password")}@${MEMBERS.join(",")}/admin?replicaSet=rs0&serverSelectionTimeoutMS=60000`,
);
function user(database, name, pwd, roles) {
  const db = set.getSiblingDB(database);
  if (db.getUser(name)) db.updateUser(name, { pwd, roles });
  else db.createUser({ user: name, pwd, roles });
}
for (const domain of ["activities", "posts", "notifications"])
  user(domain, domain, secret(`${domain}_db_password`), [{ role: "dbOwner", db: domain }]);
user("admin", "exporter", secret("mongo_exporter_password"), [
  { role: "clusterMonitor", db: "admin" },
  { role: "read", db: "local" },
]);
print("MongoDB: the replica set and its users are there.");
