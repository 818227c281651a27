/** Runs the files of a project one after the other: jest does not begin another project's meanwhile. */
const { default: Runner } = require("jest-runner");

module.exports = class extends Runner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1 }, context);
  }
};
