/**
 * Five releases of the source tree, in which a column of clubs is replaced: `summary` by `tagline`. Each is a copy of the
 * one before with the changes that its step makes; a change whose place is not found fails, for the code has moved on.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(import.meta.dirname, "..", "..");
const TREE = [
  "lib",
  "middlewares",
  "mixins",
  "services",
  "scripts",
  "migrations",
  "moleculer.config.ts",
  "package.json",
];

type Change = readonly [file: string, from: string, to: string];

interface Release {
  name: string;
  changes: readonly Change[];
  /** A migration of clubs: its name and its text. */
  migration?: readonly [string, string];
}

const FIELDS = "services/clubs/fields.ts";
const ROWS = "services/clubs/rows.ts";
const WRITTEN = "{ summary: fields.summary }";
const BOTH = "{ summary: fields.summary, tagline: fields.summary }";

/** Of rows that an old node has changed since, the new column is behind. Bytes are compared: letters' case counts. */
const FILL = `import type { Migration } from "../../lib/migrations.ts";

export async function up(m: Migration): Promise<void> {
  const behind = m.mysql
    ? "tagline IS NULL OR CAST(tagline AS BINARY) <> CAST(summary AS BINARY)"
    : "tagline IS NULL OR tagline <> summary";
  await m.inBatches(
    \`UPDATE clubs SET tagline = summary WHERE id IN
     (SELECT id FROM (SELECT id FROM clubs WHERE \${behind} LIMIT 3) AS batch)\`,
  );
  // The release after this one writes it no more.
  if (m.mysql) await m.query("ALTER TABLE clubs MODIFY summary VARCHAR(300) NULL");
}

export async function down(): Promise<void> {}
`;

const statement = (
  up: string,
  down: string,
): string => `import type { Migration } from "../../lib/migrations.ts";

export const up = (m: Migration): Promise<void> => m.query("${up}");
export const down = (m: Migration): Promise<void> => m.query("${down}");
`;

const RELEASES: readonly Release[] = [
  { name: "before", changes: [] },
  {
    name: "expand",
    // Written beside the old one and read by nobody; answers and messages have a field that old nodes do not know.
    changes: [
      [FIELDS, WRITTEN, BOTH],
      [ROWS, "  summary: string;", "  summary: string;\n  tagline: string | null;"],
      [
        ROWS,
        "    summary: row.summary,",
        "    summary: row.summary,\n    ...(row.tagline && { tagline: row.tagline }),",
      ],
      [
        ROWS,
        'tx: Tx,\n  club: Pick<ClubRow, "id" | "version" | "name" | "status">,',
        'tx: Tx,\n  club: Pick<ClubRow, "id" | "version" | "name" | "status" | "tagline">,',
      ],
      [
        ROWS,
        "{ name: club.name, status: club.status }",
        "{ name: club.name, status: club.status, tagline: club.tagline }",
      ],
      [
        "services/clubs/clubs.contract.ts",
        "  summary: T.String(),\n",
        "  summary: T.String(),\n  tagline: T.Optional(T.String()),\n",
      ],
    ],
    migration: [
      "9001-tagline",
      statement("ALTER TABLE clubs ADD COLUMN tagline VARCHAR(300)", "ALTER TABLE clubs DROP COLUMN tagline"),
    ],
  },
  {
    name: "migrate",
    // All nodes write both by now: what is missing is filled in, and the new one is read. The old one is still written,
    // for the nodes of the release before, which read it.
    changes: [[ROWS, "    summary: row.summary,", "    summary: row.tagline as string,"]],
    migration: ["9002-tagline-filled", FILL],
  },
  {
    name: "contract",
    // Nobody reads the old one: it is not written any more.
    changes: [[FIELDS, BOTH, "{ tagline: fields.summary }"]],
  },
  {
    name: "dropped",
    changes: [],
    migration: [
      "9003-no-summary",
      statement("ALTER TABLE clubs DROP COLUMN summary", "ALTER TABLE clubs ADD COLUMN summary VARCHAR(300)"),
    ],
  },
];

/** Makes the trees in this folder; the place of each by its name, in their order. */
export function makeReleases(folder: string): Map<string, string> {
  const trees = new Map<string, string>();
  let before = ROOT;
  for (const release of RELEASES) {
    const tree = path.join(folder, release.name);
    mkdirSync(tree);
    for (const part of TREE) cpSync(path.join(before, part), path.join(tree, part), { recursive: true });
    symlinkSync(path.join(ROOT, "node_modules"), path.join(tree, "node_modules"));
    for (const change of release.changes) apply(tree, change);
    if (release.migration) {
      const [name, text] = release.migration;
      writeFileSync(path.join(tree, "migrations", "clubs", `${name}.ts`), text);
    }
    trees.set(release.name, tree);
    before = tree;
  }
  return trees;
}

function apply(tree: string, [file, from, to]: Change): void {
  const place = path.join(tree, file);
  const parts = readFileSync(place, "utf8").split(from);
  if (parts.length !== 2)
    throw new Error(
      `${file} has ${parts.length - 1} places, not one, that read: ${from}. Bring test/rollout/releases.ts up to date.`,
    );
  writeFileSync(place, parts.join(to));
}
