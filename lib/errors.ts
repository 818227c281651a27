/**
 * Every refusal has a stable code with a status and its words in two languages; nothing else reaches a client.
 * Words say what to do next. `{name}` is filled from the error's `data`.
 */
import type { Language } from "./declare.ts";

type Words = [title: string, detail: string];
interface Entry {
  status: number;
  en: Words;
  zh: Words;
}

const entry = (status: number, en: Words, zh: Words): Entry => ({ status, en, zh });

export const CATALOG = {
  // Of the gateway and of every endpoint
  NOT_FOUND: entry(
    404,
    ["Not found", "There is nothing here that you may see. Check the address and the id."],
    ["未找到", "这里没有您可以查看的内容，请检查地址和编号。"],
  ),
  ROUTE_NOT_FOUND: entry(
    404,
    ["No such route", "The path is not known. The reference at /docs lists every route."],
    ["没有这个接口", "路径不存在，所有接口见 /docs。"],
  ),
  METHOD_NOT_ALLOWED: entry(
    405,
    ["Method not allowed", "Use one of the methods in the Allow header."],
    ["方法不允许", "请使用 Allow 头中列出的方法。"],
  ),
  MALFORMED_JSON: entry(
    400,
    ["Malformed JSON", "The body is not valid JSON. Mend it and send it again."],
    ["JSON 格式错误", "请求体不是合法的 JSON，请修正后重试。"],
  ),
  BAD_REQUEST: entry(
    400,
    ["Bad request", "The request cannot be read. Check its path, headers and body."],
    ["请求有误", "无法读取请求，请检查路径、请求头和请求体。"],
  ),
  UNSUPPORTED_MEDIA_TYPE: entry(
    415,
    ["Unsupported media type", "Send the body as {expected}."],
    ["不支持的内容类型", "请以 {expected} 格式发送请求体。"],
  ),
  PAYLOAD_TOO_LARGE: entry(
    413,
    ["Body too large", "The body may have at most {limit} bytes."],
    ["请求体过大", "请求体最多 {limit} 字节。"],
  ),
  UNAUTHENTICATED: entry(
    401,
    ["Sign in first", "Send a valid access token as `Authorization: Bearer`; sign in or refresh to get one."],
    ["请先登录", "请在 Authorization: Bearer 中携带有效的访问令牌；登录或刷新即可获得。"],
  ),
  INVALID_TOKEN: entry(
    401,
    ["Invalid token", "The token is expired, revoked or not one of ours. Sign in again."],
    ["令牌无效", "令牌已过期、已撤销或不是本系统签发，请重新登录。"],
  ),
  FORBIDDEN: entry(
    403,
    ["Not allowed", "Your account may not do this. Ask someone with the role that it needs."],
    ["没有权限", "您的账号不能执行此操作，请联系有相应权限的人。"],
  ),
  VALIDATION_FAILED: entry(
    422,
    ["Some fields are wrong", "See `errors` for each field, mend them and send again."],
    ["部分字段有误", "请查看 errors 中每个字段的说明，修正后重试。"],
  ),
  INVALID_CURSOR: entry(
    422,
    ["Invalid cursor", "Use `nextCursor` of the previous page as it is, or leave the cursor out."],
    ["游标无效", "请原样使用上一页的 nextCursor，或不带游标。"],
  ),
  PRECONDITION_FAILED: entry(
    412,
    ["It was changed meanwhile", "Read it again and repeat your change on the new version."],
    ["内容已被修改", "请重新读取，在新版本上重复您的修改。"],
  ),
  RATE_LIMITED: entry(
    429,
    ["Too many requests", "Wait for the seconds in Retry-After, then go on."],
    ["请求过于频繁", "请等待 Retry-After 指定的秒数后再试。"],
  ),
  OVERLOADED: entry(
    503,
    ["Busy", "The service is busy. Try again after the seconds in Retry-After."],
    ["系统繁忙", "系统繁忙，请在 Retry-After 指定的秒数后重试。"],
  ),
  UNAVAILABLE: entry(
    503,
    [
      "Not available just now",
      "A part of the service is not reachable. Try again after the seconds in Retry-After; a write may be repeated safely with its Idempotency-Key.",
    ],
    [
      "暂时不可用",
      "部分服务暂时无法访问，请在 Retry-After 指定的秒数后重试；写操作可携带同一 Idempotency-Key 安全重试。",
    ],
  ),
  INTERNAL: entry(
    500,
    ["Something went wrong", "The fault is ours. Try again; if it stays, tell the operators the requestId."],
    ["内部错误", "这是系统的问题，请重试；若仍出现，请将 requestId 告知管理员。"],
  ),
  IDEMPOTENCY_KEY_REUSED: entry(
    422,
    [
      "Key used for another request",
      "This Idempotency-Key was sent with another body. Use a new key for a new request.",
    ],
    ["幂等键已被使用", "该 Idempotency-Key 已用于不同的请求体，新请求请使用新的键。"],
  ),
  IDEMPOTENCY_IN_PROGRESS: entry(
    409,
    [
      "Still running",
      "The first request with this Idempotency-Key is still running. Wait a moment and repeat it.",
    ],
    ["仍在处理", "使用该 Idempotency-Key 的首个请求仍在处理，请稍候重试。"],
  ),
  SIGN_IN_AGAIN: entry(
    403,
    ["Sign in again", "This needs a sign-in by password at most 15 minutes old."],
    ["请重新登录", "此操作要求 15 分钟内用密码登录。"],
  ),
  USE_ADMIN_GATEWAY: entry(
    403,
    ["Use the admin gateway", "This account's administration goes through the admin gateway."],
    ["请使用管理网关", "此账号的管理操作须通过管理网关进行。"],
  ),
  SWITCHED_OFF: entry(
    403,
    ["Switched off", "The campus office has switched this off for now."],
    ["功能已关闭", "学校管理部门暂时关闭了此功能。"],
  ),
  // Users
  USERNAME_TAKEN: entry(
    409,
    ["User name taken", "Choose another user name."],
    ["用户名已被占用", "请换一个用户名。"],
  ),
  EMAIL_TAKEN: entry(
    409,
    ["E-mail taken", "There is an account with this e-mail. Sign in, or reset its password."],
    ["邮箱已被注册", "该邮箱已有账号，请登录或重置密码。"],
  ),
  INVALID_CREDENTIALS: entry(
    401,
    ["Wrong login or password", "Check both and try again, or reset the password."],
    ["账号或密码错误", "请检查后重试，或重置密码。"],
  ),
  ACCOUNT_LOCKED: entry(
    429,
    [
      "Account locked for a while",
      "Too many wrong passwords. Wait for the seconds in Retry-After, or reset the password.",
    ],
    ["账号暂时锁定", "密码错误次数过多，请等待 Retry-After 指定的秒数，或重置密码。"],
  ),
  ACCOUNT_SUSPENDED: entry(
    403,
    ["Account suspended", "This account is suspended. Contact the campus office."],
    ["账号已停用", "此账号已被停用，请联系学校管理部门。"],
  ),
  REFRESH_REUSED: entry(
    401,
    ["Refresh token used twice", "This session has been ended for safety. Sign in again."],
    ["刷新令牌被重复使用", "为安全起见会话已结束，请重新登录。"],
  ),
  WRONG_PASSWORD: entry(
    403,
    ["Wrong password", "The current password is not right. Try again, or reset it."],
    ["密码错误", "当前密码不正确，请重试或重置密码。"],
  ),
  INVALID_RESET_TOKEN: entry(
    422,
    ["Token not valid", "The token is used, expired or wrong. Ask for a new one."],
    ["令牌无效", "令牌已使用、已过期或不正确，请重新申请。"],
  ),
  CLUB_NEEDS_PRESIDENT: entry(
    409,
    ["The club needs a president", "Hand the presidency over first."],
    ["社团需要会长", "请先转让会长职务。"],
  ),
  LAST_ADMIN: entry(
    409,
    ["The last administrator", "Make another administrator first."],
    ["最后一名管理员", "请先设立另一名管理员。"],
  ),
  EMAIL_DOMAIN: entry(
    422,
    ["E-mail domain not accepted", "Use an address of one of these domains: {domains}."],
    ["邮箱域名不被接受", "请使用以下域名的邮箱：{domains}。"],
  ),
  // Clubs
  CLUB_NAME_TAKEN: entry(
    409,
    ["Club name taken", "There is a club with this name. Choose another."],
    ["社团名已存在", "已有同名社团，请换一个名称。"],
  ),
  CLUB_NOT_ACTIVE: entry(
    409,
    ["The club is not active", "Nothing can be changed in a club that is not active."],
    ["社团未处于活动状态", "未处于活动状态的社团不能进行更改。"],
  ),
  CATEGORY_IN_USE: entry(
    409,
    ["Category in use", "Move the clubs of the category {slug} first."],
    ["分类使用中", "请先移走分类 {slug} 下的社团。"],
  ),
  // Notifications
  TOO_MANY_STREAMS: entry(
    429,
    ["Too many streams", "You have {limit} streams open. Close one of them, then open another."],
    ["实时连接过多", "您已打开 {limit} 个实时连接，请先关闭其中一个。"],
  ),
  // Posts and files
  POST_LOCKED: entry(
    409,
    ["The post is locked", "Its discussion is closed: nothing can be added to it."],
    ["帖子已锁定", "该帖的讨论已关闭，不能再发表评论。"],
  ),
  NOT_PUBLISHED: entry(
    409,
    [
      "Not published",
      "It is held for a moderator or removed: nothing can be done with it until it is published.",
    ],
    ["尚未发布", "内容正在等待审核或已被移除，发布之后才能操作。"],
  ),
  FORBIDDEN_CONTENT: entry(
    422,
    ["Not allowed here", "The text has words that are not allowed here. Change it and send it again."],
    ["含有违规内容", "文字中有不允许的内容，请修改后重试。"],
  ),
  FILE_NOT_READY: entry(
    409,
    ["The file is not there yet", "Upload it to the address that you were given, then complete it."],
    ["文件尚未上传完成", "请先上传到所给的地址，再确认完成。"],
  ),
  TOO_MANY_UPLOADS: entry(
    409,
    [
      "Too many unfinished uploads",
      "Complete or delete some of your {limit} files that are not uploaded yet.",
    ],
    ["未完成的上传过多", "您有 {limit} 个文件尚未上传完成，请先完成或删除其中一些。"],
  ),
  FILE_SPACE_FULL: entry(
    409,
    ["Your space is full", "Your files have all the space that one person gets. Delete some."],
    ["存储空间已满", "您的文件已占满个人空间，请删除一些。"],
  ),
  UPLOAD_MISSING: entry(
    422,
    ["Nothing was uploaded", "Upload the file to the address that you were given, then complete it."],
    ["尚未上传文件", "请先将文件上传到所给的地址，再确认完成。"],
  ),
  WRONG_FILE: entry(
    422,
    [
      "Not the file that was announced",
      "What was uploaded is of another size or type, or is broken. It was deleted: upload the right one.",
    ],
    ["文件与登记不符", "上传内容的大小或类型与登记不符，或已损坏，现已删除，请重新上传。"],
  ),
  PICTURE_TOO_LARGE: entry(
    422,
    ["The picture is too large", "It has too many pixels or frames and was deleted: upload a smaller one."],
    ["图片过大", "图片像素或帧数过多，现已删除，请上传较小的图片。"],
  ),
  LINK_NOT_VALID: entry(
    403,
    ["The address is not valid", "It has expired or was changed. Ask for a new one."],
    ["地址无效", "地址已过期或被改动，请重新获取。"],
  ),
  WRONG_SIZE: entry(
    400,
    ["Another size than announced", "The body must have exactly {limit} bytes."],
    ["大小与登记不符", "请求体须恰为 {limit} 字节。"],
  ),
  UPLOAD_TOO_SLOW: entry(
    408,
    ["The upload took too long", "It was not whole in time. Try again over a faster connection."],
    ["上传超时", "上传未能及时完成，请换用更快的网络重试。"],
  ),
  RANGE_NOT_SATISFIABLE: entry(
    416,
    ["No such part", "The Range header asks for bytes that are not there."],
    ["请求范围无效", "Range 头请求的字节不存在。"],
  ),
  // Applications and reviews
  ALREADY_APPLIED: entry(
    409,
    ["Already applied", "You have an open application to this club."],
    ["已提交申请", "您在该社团已有进行中的申请。"],
  ),
  ALREADY_MEMBER: entry(
    409,
    ["Already a member", "You are a member of this club."],
    ["已是成员", "您已经是该社团成员。"],
  ),
  CLUB_CLOSED: entry(
    409,
    ["The club takes no applications", "This club is closed to applications."],
    ["社团不接受申请", "该社团暂不接受申请。"],
  ),
  ALREADY_DECIDED: entry(
    409,
    ["Already decided", "This was decided before. Read it again to see how."],
    ["已有结果", "此项已有决定，请重新读取查看结果。"],
  ),
  ALREADY_CLAIMED: entry(
    409,
    [
      "Claimed by someone else",
      "Another reviewer has claimed it. Take another, or wait until the claim ends.",
    ],
    ["已被认领", "其他审核人已认领，请处理其他任务或等待认领到期。"],
  ),
  NOT_CLAIMED: entry(
    409,
    ["Not claimed", "Claim it first; if the club was changed since, look at it and claim it again."],
    ["尚未认领", "请先认领；若社团此后有修改，请查看后重新认领。"],
  ),
  SELF_REVIEW: entry(
    403,
    ["Not your own", "Nobody decides about what they filed or wrote themselves."],
    ["不能审核自己的内容", "本人提交的内容须由他人审核。"],
  ),
  COMMENT_REQUIRED: entry(
    422,
    ["A comment is needed", "Say why in `comment`."],
    ["需要说明", "请在 comment 中说明原因。"],
  ),
  // Activities
  ACTIVITY_FULL: entry(
    409,
    [
      "The activity is full",
      "All places are taken, and there is no waitlist. Look again later: places may be given up.",
    ],
    ["名额已满", "名额已满且没有候补名单，可稍后再看是否有人取消。"],
  ),
  SIGN_UP_CLOSED: entry(
    409,
    [
      "Sign-up is not open",
      "It has not opened yet, is over, or the activity was cancelled. The activity says when sign-up opens and closes.",
    ],
    ["报名未开放", "报名尚未开始、已结束，或活动已取消，开放时间见活动详情。"],
  ),
  MEMBERS_ONLY: entry(
    403,
    ["For members only", "Only members of the club may sign up. Apply to the club first."],
    ["仅限社团成员", "仅社团成员可报名，请先申请加入社团。"],
  ),
  HAS_SIGN_UPS: entry(
    409,
    [
      "People are signed up",
      "People are signed up for occurrences that would get another name. Move single ones by `overrides`, or cancel.",
    ],
    ["已有人报名", "已有人报名后续场次，不能更改重复规则；请用 overrides 调整单次，或取消活动。"],
  ),
  ACTIVITY_OVER: entry(
    409,
    ["The activity is over", "It was cancelled or has ended. Plan another one."],
    ["活动已结束", "活动已取消或已结束，请另行创建。"],
  ),
  INVALID_CODE: entry(
    422,
    ["Code not valid", "The code is expired or wrong. Scan the one that is shown at the door now."],
    ["签到码无效", "签到码已过期或不正确，请扫描现场当前显示的签到码。"],
  ),
  NOT_CONFIRMED: entry(
    403,
    ["No confirmed place", "Only who has a confirmed place can check in. Sign up first, or ask an officer."],
    ["没有已确认的名额", "只有已确认报名的人可以签到，请先报名或联系干事。"],
  ),
  CHECK_IN_CLOSED: entry(
    409,
    ["Check-in is not open", "Check-in is open from 60 minutes before the start until the end."],
    ["签到未开放", "签到时间为开始前 60 分钟至活动结束。"],
  ),
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof CATALOG;

/** What a field's entry in `errors` may say, by its code. */
export const FIELD_CODES = {
  REQUIRED: ["This field is required.", "此字段必填。"],
  UNKNOWN_FIELD: ["There is no such field; leave it out.", "没有这个字段，请去掉。"],
  WRONG_TYPE: ["Must be {expected}.", "类型应为 {expected}。"],
  TOO_SHORT: ["Must have at least {limit} characters.", "至少 {limit} 个字符。"],
  TOO_LONG: ["Must have at most {limit} characters.", "最多 {limit} 个字符。"],
  TOO_FEW: ["Must have at least {limit} items.", "至少 {limit} 项。"],
  TOO_MANY: ["Must have at most {limit} items.", "最多 {limit} 项。"],
  TOO_SMALL: ["Must be at least {limit}.", "不能小于 {limit}。"],
  TOO_LARGE: ["Must be at most {limit}.", "不能大于 {limit}。"],
  NOT_ALLOWED: ["Must be one of: {allowed}.", "须为以下之一：{allowed}。"],
  INVALID_FORMAT: ["Has not the form that is expected here.", "格式不正确。"],
  INVALID_CHARACTERS: ["Contains control characters; take them out.", "含有控制字符，请去掉。"],
  DUPLICATE: ["Is given more than once.", "重复出现。"],
  INVALID_REFERENCE: ["Names nothing that can be used here.", "所指对象不存在或不可用。"],
  COMMON_PASSWORD: [
    "This password is among the most common ones; choose another.",
    "该密码过于常见，请换一个。",
  ],
  ENDS_BEFORE_START: ["Must be after the start.", "须晚于开始时间。"],
  LASTS_TOO_LONG: ["Must be at most {days} days after the start.", "须在开始后 {days} 天之内。"],
  UNKNOWN_TIME_ZONE: [
    "Is no time zone; use an IANA name such as Asia/Shanghai.",
    "没有这个时区，请使用 IANA 名称，如 Asia/Shanghai。",
  ],
  INVALID_RRULE: [
    "Is no rule of RFC 5545 that can be used here; mend or leave out `{part}`.",
    "不是可用的 RFC 5545 规则，请修正或去掉 `{part}`。",
  ],
  RRULE_ONLY_THE_RULE: [
    "Send the rule alone, such as FREQ=WEEKLY;BYDAY=MO: without `RRULE:`, and without DTSTART, which startsAt is.",
    "请只填写规则本身，如 FREQ=WEEKLY;BYDAY=MO；不带 `RRULE:`，也不带 DTSTART（即 startsAt）。",
  ],
  RRULE_FREQUENCY: [
    "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY.",
    "FREQ 须为 DAILY、WEEKLY、MONTHLY 或 YEARLY。",
  ],
  RRULE_COUNT_AND_UNTIL: ["Give COUNT or UNTIL, not both.", "COUNT 与 UNTIL 只能填写一个。"],
  RRULE_COUNT_TOO_LARGE: [
    "COUNT must be at most {limit}; leave it out for a series without end.",
    "COUNT 不能大于 {limit}；不限次数请去掉 COUNT。",
  ],
  RRULE_YIELDS_NOTHING: [
    "Yields no occurrence after the start; change the rule, UNTIL or the exdates.",
    "自开始时间起没有任何一次活动，请修改规则、UNTIL 或 exdates。",
  ],
  TOO_MANY_OCCURRENCES: [
    "Yields more than {limit} occurrences within {days} days; make them fewer.",
    "{days} 天内超过 {limit} 次，请减少次数。",
  ],
  NO_SUCH_OCCURRENCE: [
    "Is the original start of no occurrence of the series.",
    "不是该系列中任何一次的原定开始时间。",
  ],
  AFTER_END: ["Must not be after `endsAt`; close sign-up earlier.", "不能晚于 endsAt，请提前截止时间。"],
  NOT_AFTER_FROM: ["Must be after `from`.", "须晚于 from。"],
  WINDOW_TOO_LONG: ["Must be at most 366 days after `from`.", "与 from 相距不能超过 366 天。"],
  OPENS_AFTER_CLOSING: [
    "Must be before sign-up closes (`signUpClosesAt`, else the start).",
    "须早于报名截止时间（signUpClosesAt，未填则为开始时间）。",
  ],
  FORBIDDEN_CONTENT: ["Has words that are not allowed here; change them.", "含有不允许的内容，请修改。"],
  TOO_COMPLEX: [
    "Becomes too large when it is shown; use fewer links, quotes and lists.",
    "显示出来过大，请减少链接、引用和列表。",
  ],
  NOT_A_TOP_COMMENT: [
    "Is itself an answer; answer the comment above it, there are two levels.",
    "该评论本身是回复；评论只有两级，请回复上一级评论。",
  ],
  INVALID: ["Is not valid here.", "此处无效。"],
} as const satisfies Record<string, readonly [en: string, zh: string]>;

export type FieldCode = keyof typeof FIELD_CODES;
export interface FieldError {
  field: string;
  code: FieldCode;
  /** Fills the message's placeholders. */
  values?: Record<string, string | number>;
}

/**
 * A refusal with a code of the catalogue. It crosses nodes as plain fields (`code` = status, `type` = code).
 * `data` fills the words, and may carry `errors` (fields) and `retryAfter` (seconds).
 */
export class AppError extends Error {
  readonly code: number;
  readonly type: Code;
  readonly data: ErrorData;

  constructor(type: Code, data: ErrorData = {}) {
    // A refusal is no fault: where it was made is of no use, and costs more than all the rest of it.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(CATALOG[type].en[1]);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "AppError";
    this.type = type;
    this.code = CATALOG[type].status;
    this.data = data;
  }
}

export interface ErrorData {
  errors?: FieldError[];
  retryAfter?: number;
  [value: string]: unknown;
}

/** A 422 that names fields. */
export function invalid(...errors: FieldError[]): AppError {
  return new AppError("VALIDATION_FAILED", { errors });
}

/** Whether `error` is a refusal of the catalogue, also when it came from another node. */
export function isAppError(error: unknown): error is AppError {
  const type = (error as { type?: unknown } | null)?.type;
  return typeof type === "string" && (error as Error).name === "AppError" && Object.hasOwn(CATALOG, type);
}

/** Whether `error` is the refusal `type`. */
export function isRefusal(error: unknown, type: Code): error is AppError {
  return isAppError(error) && error.type === type;
}

function fill(text: string, values: Record<string, unknown>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors?: { field: string; code: string; message: string }[];
}

/** The problem document (RFC 9457) of a refusal in the reader's language. */
export function problemOf(error: AppError, language: Language, requestId: string): Problem {
  const known = CATALOG[error.type];
  const [title, detail] = language === "zh-CN" ? known.zh : known.en;
  const code = publicCode(error.type);
  return {
    type: `urn:club-alliance:problem:${code.toLowerCase().replaceAll("_", "-")}`,
    title,
    status: known.status,
    detail: fill(detail, error.data),
    code,
    requestId,
    ...(error.data.errors && {
      errors: error.data.errors.map(({ field, code: fieldCode, values = {} }) => ({
        field,
        code: fieldCode,
        message: fill(FIELD_CODES[fieldCode][language === "zh-CN" ? 1 : 0], values),
      })),
    }),
  };
}

/** Codes that share one public name but differ in status and words. */
function publicCode(type: Code): string {
  if (type === "INVALID_RESET_TOKEN") return "INVALID_TOKEN";
  if (type === "ROUTE_NOT_FOUND") return "NOT_FOUND";
  return type;
}
