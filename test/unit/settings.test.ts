/** What the environment may say, and what is told of it where it is wrong. */
import { readSettings } from "../../lib/settings.ts";

const refusalOf = (env: Record<string, string>): string => {
  try {
    readSettings(env);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

test.each([
  ["USERS_DB_URL", "root:secret@db:3306/users", "…@db:3306/users"],
  ["USERS_DB_URL", "postgres://root:secret@db:3306/users", "…@db:3306/users"],
  ["POSTS_DB_URL", "http://root:sec@ret@db:27017/posts", "…@db:27017/posts"],
  ["NATS_URL", "nats://a:secret@one:4222,b:secret@two:4222", "…@two:4222"],
  ["REDIS_URL", "nats://a:secret@one:4222,b:secret@two:4222", "…@two:4222"],
  ["CLUBS_DB_READ_URLS", "mysql://a:secret@one/clubs, a:sec\nret@two/clubs", "…@two/clubs"],
  ["DISCOVERER", "root:secret@etcd:2379,b:secret@etcd:2379", "…@etcd:2379"],
  ["DISCOVERER", "etcd3://root:secret@etcd:x", "…@etcd:x"],
  ["MAIL_URL", "mail.example.edu", "mail.example.edu"],
])("of %s=%s no credentials are told", (name, value, told) => {
  expect(refusalOf({ [name]: value })).toMatch(new RegExp(`^${name} is "${told}" but takes an address`));
});

test.each([
  ["local", "local"],
  ["etcd3://a:2379", "etcd3://a:2379"],
  ["etcd3://a:2379,b:2379", "etcd3://a:2379,b:2379"],
  [" etcd3://a:2379, etcd3://b:2379 ,c:2379", "etcd3://a:2379,b:2379,c:2379"],
])("DISCOVERER may be %j", (value, discoverer) => {
  expect(readSettings({ DISCOVERER: value }).discoverer).toBe(discoverer);
});

test.each(["etcd", "a:2379,etcd3://b:2379", "etcd3://", ",", "etcd3://a:2379,b:many", "http://a:2379"])(
  "DISCOVERER may not be %j",
  (value) => {
    expect(refusalOf({ DISCOVERER: value })).toMatch(/^DISCOVERER is .* that starts with etcd3:/);
  },
);
