/** Whole clusters first, then tests on servers: what takes longest must not begin last. The largest cluster has its time alone. */
const { statSync } = require("node:fs");
const { default: Sequencer } = require("@jest/test-sequencer");

const FIRST = [/\/test\/cluster\/(?!servers-script)/, /\/test\/servers\//, /\/servers-script/];

module.exports = class extends Sequencer {
  sort(tests) {
    const rank = ({ path }) =>
      (FIRST.findIndex((group) => group.test(path)) + FIRST.length + 1) % (FIRST.length + 1);
    return tests.toSorted((a, b) => rank(a) - rank(b) || statSync(b.path).size - statSync(a.path).size);
  }
};
