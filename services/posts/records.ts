/** What posts keep: posts with what was said before, comments, likes, reports, words, what moderators did. */
import type { Told } from "../../lib/queue-documents.ts";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import { newId } from "../../lib/ids.ts";
import type { CONTENT_STATUSES } from "./posts.contract.ts";
import type { HELD_BY, REPORT_REASONS, Word } from "./moderation.contract.ts";

export type Status = (typeof CONTENT_STATUSES)[number];
export type ContentType = "post" | "comment";

/** Why a content is, or was last, before a moderator. */
export interface CaseRecord {
  id: string;
  why: (typeof HELD_BY)[number];
  /** Milliseconds. */
  at: number;
  decision: "approve" | "remove" | null;
  decidedAt: number | null;
  comment: string | null;
}

interface Content {
  _id: string;
  authorId: string;
  body: string;
  status: Status;
  case: CaseRecord | null;
  /** There while a moderator is to decide: when it came before them (milliseconds). */
  waitingSince?: number;
  /** Raised by each change that somebody is to know of, not by counts. */
  version: number;
  createdAt: number;
  updatedAt: number;
  outbox: Told[];
  pending: boolean;
}

export interface PostDocument extends Content {
  clubId: string | null;
  /** Of its club, when it has one; as far as it has been told. */
  clubActive: boolean;
  /** Published, and in no club that is not active. */
  shown: boolean;
  title: string;
  /** The body rendered, when it was written. */
  html: string;
  tags: string[];
  fileIds: string[];
  pinned: boolean;
  locked: boolean;
  likeCount: number;
  commentCount: number;
  viewCount: number;
  /** The higher the hotter; falls behind that of newer posts by itself, so nothing is to be aged. */
  score: number;
  /** Raised with each count, so that an older one does not replace a newer. */
  stamp: number;
  /** There while likes or comments may not be in the counts yet, because a node has died: since when. */
  touchedAt?: number;
}

export interface CommentDocument extends Content {
  postId: string;
  /** The comment that it answers. */
  parentId: string | null;
}

export interface LikeDocument {
  /** `<post>:<user>` */
  _id: string;
  post: string;
  user: string;
  at: number;
}

export interface ReportDocument {
  /** A hash of `<content>:<user>`. */
  _id: string;
  /** The content's id. */
  content: string;
  type: ContentType;
  /** Empty after they were erased. */
  user: string;
  reason: (typeof REPORT_REASONS)[number];
  detail: string;
  at: number;
  /** Counted by a decision: it does not hold the content again. */
  closed: boolean;
}

/** What a post said before it was changed. */
export interface RevisionDocument {
  /** `<post>:<version>` */
  _id: string;
  post: string;
  title: string;
  body: string;
  tags: string[];
  fileIds: string[];
  /** Until when it said so. */
  at: number;
}

/** What a moderator did. */
export interface LogDocument {
  /** The case's where it is a decision, else the message's. */
  _id: string;
  at: number;
  actor: string;
  action: string;
  subjectType: string;
  subjectId: string;
  comment: string | null;
  requestId: string | null;
}

/** One document, `_id` "head": which version of the word list is in force. */
export interface WordListDocument {
  _id: string;
  /** Of the list in force. */
  list: string;
  parts: number;
  words: number;
  at: number;
  by: string;
  outbox: Told[];
  pending: boolean;
}

export interface WordPartDocument {
  /** `<list>:<part>` */
  _id: string;
  list: string;
  at: number;
  words: Word[];
}

export interface Store {
  posts: Collection<PostDocument>;
  comments: Collection<CommentDocument>;
  likes: Collection<LikeDocument>;
  reports: Collection<ReportDocument>;
  revisions: Collection<RevisionDocument>;
  log: Collection<LogDocument>;
  wordLists: Collection<WordListDocument>;
  wordParts: Collection<WordPartDocument>;
}

/** Indexes of the collections; on MongoDB they are made by migrations. */
export const INDEXES = {
  posts: [
    ["shown", "_id"],
    ["shown", "score", "_id"],
    ["clubId", "shown", "pinned", "_id"],
    ["clubId", "shown", "pinned", "score", "_id"],
    ["tags", "shown", "_id"],
    ["authorId", "_id"],
    ["case.id"],
    ["waitingSince"],
    ["touchedAt"],
    ["pending"],
  ],
  comments: [
    ["postId", "_id"],
    ["parentId", "_id"],
    ["authorId", "_id"],
    ["case.id"],
    ["waitingSince"],
    ["pending"],
  ],
  likes: [["post"], ["user", "_id"]],
  reports: [["content"], ["user"], ["at"]],
  revisions: [["post"], ["at"]],
  log: [["at"]],
  wordLists: [["pending"]],
  wordParts: [["list"], ["at"]],
} as const;

export async function openStore(documents: DocumentStore): Promise<Store> {
  const open = <D extends { _id: string }>(name: keyof typeof INDEXES): Promise<Collection<D>> =>
    documents.collection<D>(name, { indexes: INDEXES[name].map((fields) => ({ fields })) });
  return {
    posts: await open("posts"),
    comments: await open("comments"),
    likes: await open("likes"),
    reports: await open("reports"),
    revisions: await open("revisions"),
    log: await open("log"),
    wordLists: await open("wordLists"),
    wordParts: await open("wordParts"),
  };
}

/** A case that opens now. */
export function newCase(why: CaseRecord["why"], at: number): CaseRecord {
  return { id: newId(), why, at, decision: null, decidedAt: null, comment: null };
}

/** The time in which a post must get ten times as many likes and answers to stand where it stood. */
const DECAY = 12.5 * 3_600_000;

/**
 * How hot a post is: the logarithm of what it got, and its time, as Reddit ranks (A. Salihefendic, "How Reddit ranking
 * algorithms work", 2010). An answer counts as two likes.
 */
export function scoreOf(post: Pick<PostDocument, "likeCount" | "commentCount" | "createdAt">): number {
  const got = post.likeCount + 2 * post.commentCount;
  return Math.log10(Math.max(got, 1)) + post.createdAt / DECAY;
}

export function likeId(post: string, user: string): string {
  return `${post}:${user}`;
}
