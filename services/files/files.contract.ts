import { Type as T } from "typebox";
import type { Static } from "typebox";
import { allows, exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Id, Nullable, OneOf, Text, Time } from "../../lib/types.ts";

declare module "../../lib/declare.ts" {
  interface Relations {
    /** `visible`: an avatar or a logo, the caller's own, or of something that the caller may see. */
    file: "visible" | "owner";
  }
}

export const PURPOSES = ["avatar", "logo", "post", "activity"] as const;
export const SUBJECTS = ["user", "club", "post", "activity"] as const;

export const StoredFile = T.Object({
  id: Id,
  name: T.String(),
  contentType: T.String(),
  /** Bytes: as announced, then as kept. */
  size: T.Integer(),
  purpose: OneOf(PURPOSES),
  status: OneOf(["pending", "ready"]),
  /** Of a picture that is ready. */
  width: Nullable(T.Integer()),
  height: Nullable(T.Integer()),
  createdAt: Time,
});
export type StoredFile = Static<typeof StoredFile>;

/** Widths of a picture that can be asked for. */
export const WIDTHS = [64, 128, 256, 512, 1024] as const;

export const files = declare("files", {
  create: {
    rest: "POST /files",
    summary: { en: "Announce a file and get the address to upload it to", "zh-CN": "登记文件并获取上传地址" },
    params: T.Object({
      name: Text(1, 255),
      contentType: T.String({ minLength: 1, maxLength: 200 }),
      size: T.Integer({ minimum: 1 }),
      purpose: OneOf(PURPOSES),
    }),
    returns: T.Object({
      file: StoredFile,
      upload: T.Object({
        method: T.Literal("PUT"),
        url: T.String(),
        headers: T.Record(T.String(), T.String()),
        expiresAt: Time,
      }),
    }),
    status: 201,
    access: "user",
    secret: true,
    moderate: ["name"],
    errors: ["FORBIDDEN_CONTENT", "TOO_MANY_UPLOADS", "FILE_SPACE_FULL"],
  },
  complete: {
    rest: "POST /files/:id/complete",
    summary: { en: "Say that the upload is done", "zh-CN": "确认上传完成" },
    params: T.Object({ id: Id }),
    returns: StoredFile,
    status: 200,
    access: { file: "owner" },
    errors: ["UPLOAD_MISSING", "WRONG_FILE", "PICTURE_TOO_LARGE"],
    // Each has the whole file in memory.
    bulkhead: 4,
    timeout: 30_000,
  },
  get: {
    rest: "GET /files/:id",
    summary: {
      en: "Where a file is fetched; a picture also in one of some widths",
      "zh-CN": "获取文件地址（图片可指定宽度）",
    },
    params: T.Object({
      id: Id,
      width: T.Optional(T.Integer({ enum: [...WIDTHS], description: `One of ${WIDTHS.join(", ")}` })),
    }),
    status: 302,
    access: { file: "visible", or: "moderator", anonymous: true },
    errors: ["FILE_NOT_READY"],
    timeout: 10_000,
  },
  remove: {
    rest: "DELETE /files/:id",
    summary: {
      en: "Delete a file (what shows it goes on naming its id, which then leads nowhere)",
      "zh-CN": "删除文件（引用它的内容仍保留编号，但不再可用）",
    },
    params: T.Object({ id: Id }),
    access: { file: "owner" },
  },
  allows: allows({}),
  /**
   * A thing is about to show these files: they are kept while it does. Answers those that cannot be used: not the
   * user's own, not complete, of another purpose.
   */
  claim: {
    params: T.Object({
      subject: T.Object({ type: OneOf(SUBJECTS), id: T.String() }),
      user: T.String(),
      purpose: OneOf(PURPOSES),
      fileIds: T.Array(T.String(), { maxItems: 20 }),
    }),
    returns: T.Object({ refused: T.Array(T.String()) }),
    access: "service",
  },
  exportUser,
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
});
