/**
 * What signing and verifying an access token costs with ES256 and RS256, in CPU microseconds each:
 * `node bench/micro/jwt.ts`. The best of five rounds, since other work only ever adds.
 */
import { createPublicKey } from "node:crypto";
import jwt from "jsonwebtoken";
import { ALGORITHMS, generateKeySet, parseKeySet } from "../../lib/keys.ts";

const TOKENS = 1000;
const ROUNDS = 5;

function microseconds(work: () => void): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / TOKENS);
  }
  return Math.round(best);
}

console.log(`node ${process.version}, OpenSSL ${process.versions.openssl}`);
for (const algorithm of ALGORITHMS) {
  const [{ privateKey, kid }] = parseKeySet(JSON.stringify(generateKeySet(algorithm)), "the key set");
  const publicKey = createPublicKey(privateKey);
  let tokens: string[] = [];
  const sign = microseconds(() => {
    tokens = Array.from({ length: TOKENS }, (_, n) =>
      jwt.sign({ sub: `user-${n}`, sid: `session-${n}`, aud: "public" }, privateKey, {
        algorithm,
        keyid: kid,
        expiresIn: 600,
      }),
    );
  });
  const verify = microseconds(() => {
    for (const token of tokens) jwt.verify(token, publicKey, { algorithms: [algorithm], audience: "public" });
  });
  console.log(`${algorithm}: sign ${sign} µs, verify ${verify} µs, ${tokens[0]?.length} characters`);
}
