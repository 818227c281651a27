/** What every contender answers and takes, so that all of them read and write the same bytes. */
export const CLUB_ID = "01990000-0000-7000-8000-000000000001";

/** A club as a signed-in person sees it. */
export const club = {
  id: CLUB_ID,
  name: "Chess Society 国际象棋社",
  summary: "Friendly games every Tuesday, and a team for the league.",
  description:
    "We meet in room 201 of the library. Beginners are welcome; boards and clocks are there. ".repeat(3),
  category: "culture-sports",
  tags: ["chess", "board games", "league"],
  logoFileId: null,
  joinPolicy: "open",
  questions: [],
  reviewStages: ["officer"],
  status: "active",
  version: 3,
  createdAt: "2025-09-01T08:00:00.000Z",
  updatedAt: "2025-09-02T09:30:00.000Z",
  memberCount: 42,
  favoriteCount: 7,
  myRole: null,
  isFavorite: false,
};

/** A body for the creation of a club. */
export const newClub = {
  name: club.name,
  summary: club.summary,
  description: club.description,
  category: club.category,
  tags: club.tags,
};

/** What a body has to be, in JSON Schema; the limits are those of the federation's contract. */
export const newClubSchema = {
  type: "object",
  additionalProperties: false,
  required: ["name", "summary", "category"],
  properties: {
    name: { type: "string", minLength: 2, maxLength: 120 },
    summary: { type: "string", minLength: 1, maxLength: 300 },
    description: { type: "string", minLength: 0, maxLength: 20_000 },
    category: { type: "string", maxLength: 50, pattern: "^[a-z0-9]+(-[a-z0-9]+)*$" },
    tags: { type: "array", maxItems: 10, items: { type: "string", minLength: 1, maxLength: 30 } },
  },
};
