/** What a Dockerfile says, stage by stage. */
import { DockerfileParser } from "dockerfile-ast";
import type { Copy, Instruction } from "dockerfile-ast";

export interface CopyStep {
  kind: "copy";
  line: number;
  /** Another stage; null: the build's context. */
  from: string | null;
  sources: string[];
  to: string;
}

export interface RunStep {
  kind: "run";
  line: number;
  command: string;
}

export interface WorkdirStep {
  kind: "workdir";
  folder: string;
}

export interface Stage {
  name: string;
  line: number;
  /** The image, or the stage that it goes on from. */
  base: string;
  /** The base is a stage, or names an exact version. */
  pinned: boolean;
  steps: (CopyStep | RunStep | WorkdirStep)[];
  copies: CopyStep[];
  user: string | null;
  env: Record<string, string>;
  /** Words; null where there are none, or a line for the shell. */
  healthcheck: string[] | null;
  entrypoint: string[] | null;
}

/** Reads the stages; one that goes on from another has what that one set. */
export function readDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    if (instruction.getKeyword() === "FROM") stages.push(begin(instruction, stages));
    else {
      const stage = stages.at(-1);
      if (stage) apply(instruction, stage);
    }
  }
  return stages;
}

const lineOf = (instruction: Instruction): number => instruction.getRange().start.line + 1;
const wordsOf = (instruction: Instruction): string[] =>
  instruction.getArguments().map((argument) => argument.getValue());

function begin(instruction: Instruction, stages: Stage[]): Stage {
  const [base = "", , name] = wordsOf(instruction);
  const before = stages.find((stage) => stage.name === base);
  return {
    name: name ?? String(stages.length),
    line: lineOf(instruction),
    base,
    pinned: before !== undefined || /:\d+\.\d+\.\d+|@sha256:/.test(base),
    steps: [],
    copies: [],
    user: before?.user ?? null,
    env: { ...before?.env },
    healthcheck: before?.healthcheck ?? null,
    entrypoint: before?.entrypoint ?? null,
  };
}

function apply(instruction: Instruction, stage: Stage): void {
  const words = wordsOf(instruction);
  const line = lineOf(instruction);
  switch (instruction.getKeyword()) {
    case "COPY": {
      const from = (instruction as Copy).getFromFlag()?.getValue() ?? null;
      const step: CopyStep = {
        kind: "copy",
        line,
        from,
        sources: words.slice(0, -1).map((source) => source.replace(/^\.\//, "")),
        to: words.at(-1) as string,
      };
      stage.steps.push(step);
      stage.copies.push(step);
      break;
    }
    case "RUN":
      stage.steps.push({ kind: "run", line, command: commandOf(instruction) });
      break;
    case "WORKDIR":
      stage.steps.push({ kind: "workdir", folder: words[0] as string });
      break;
    case "USER":
      stage.user = words[0] as string;
      break;
    case "ENV":
      for (const word of words) {
        const at = word.indexOf("=");
        stage.env[word.slice(0, at)] = word.slice(at + 1);
      }
      break;
    case "HEALTHCHECK":
      stage.healthcheck = listOf(instruction);
      break;
    case "ENTRYPOINT":
      stage.entrypoint = listOf(instruction);
      break;
  }
}

/** The shell's line, without flags such as --mount and without line breaks. */
function commandOf(instruction: Instruction): string {
  return (instruction.getArgumentsContent() ?? "")
    .split("\n")
    .map((line) => line.replace(/\\\s*$/, ""))
    .filter((line) => !line.trimStart().startsWith("#"))
    .join(" ")
    .replace(/^(\s*--[a-z]+=\S+)+/, "")
    .trim();
}

function listOf(instruction: Instruction): string[] | null {
  const content = instruction.getArgumentsContent() ?? "";
  const list = /\[[^\]]*\]\s*$/.exec(content)?.[0];
  if (!list) return null;
  try {
    return JSON.parse(list) as string[];
  } catch {
    return null;
  }
}
