/** Tests on servers first: what takes longest must not begin last. */
const { statSync } = require("node:fs");
const { default: Sequencer } = require("@jest/test-sequencer");

const SERVERS = /\/test\/servers\//;

module.exports = class extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => (SERVERS.test(path) ? 0 : 1);
    return tests.toSorted((a, b) => rank(a) - rank(b) || statSync(b.path).size - statSync(a.path).size);
  }
};
