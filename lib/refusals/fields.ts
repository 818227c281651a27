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
  IN_THE_PAST: ["Must be in the future.", "须为将来的时间。"],
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
  TOO_MANY_POINTS: [
    "Yields more than {limit} points; choose a shorter period or a larger bucket.",
    "超过 {limit} 个数据点，请缩短时间范围或增大粒度。",
  ],
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
  NOT_A_SWITCH: ["Must be true or false.", "须为 true 或 false。"],
  NOT_IN_RANGE: ["Must be a whole number from {min} to {max}.", "须为 {min} 到 {max} 的整数。"],
  NOT_TEXT: ["Must be text of at most {max} characters.", "须为最多 {max} 个字符的文字。"],
  NOT_A_LIST_OF: [
    "Must be a list of {min} to {max} of these, each once: {allowed}.",
    "须为 {min} 到 {max} 项不重复的列表，可选：{allowed}。",
  ],
  NOT_NETWORKS: [
    "Must be a list of at most {max} networks such as 10.0.0.0/8 or 2001:db8::/32, each once; empty: all.",
    "须为最多 {max} 个不重复网段的列表，如 10.0.0.0/8 或 2001:db8::/32，空列表表示不限。",
  ],
  SHUTS_YOU_OUT: [
    "Would shut out the address that you come from, {address}; add a network that has it.",
    "会把您当前的地址 {address} 拒之门外，请加入包含它的网段。",
  ],
  // Imports
  MISSING_COLUMN: ["The file has no such column, which it needs.", "文件缺少此列。"],
  UNKNOWN_COLUMN: [
    "There is no such column; the columns are: {allowed}.",
    "没有这一列，可用的列：{allowed}。",
  ],
  WRONG_NUMBER_OF_CELLS: [
    "The row has {given} cells, the heading {expected}.",
    "此行有 {given} 个单元格，而表头有 {expected} 个。",
  ],
  FORMULA: [
    "Begins with =, +, -, @, a tab or a carriage return, which a spreadsheet runs as a formula; put ' before it if it is meant.",
    "以 =、+、-、@、制表符或回车开头，表格软件会当作公式；如确有需要，请在前面加 '。",
  ],
  DIFFERS: [
    "There is one already with another value here; imports do not overwrite.",
    "已存在，且此处的值不同；导入不会覆盖已有内容。",
  ],
  TAKEN: ["Belongs to another one that exists.", "已被占用。"],
  GIVEN_DIFFERENTLY: [
    "An earlier row of the file has it with other values.",
    "文件中前面的行已有此项，但内容不同。",
  ],
  UNKNOWN_PERSON: [
    "There is no active account with this user name or e-mail.",
    "没有使用此用户名或邮箱的有效账号。",
  ],
  UNKNOWN_CLUB: ["There is no club with this name or id.", "没有这个名称或编号的社团。"],
  INACTIVE_CLUB: ["The club is not active.", "该社团未处于活动状态。"],
  PRESIDENT_BY_TRANSFER: [
    "An import makes nobody the president of a club that is there; hand the presidency over by a transfer.",
    "导入不能更换已有社团的会长，请通过转让办理。",
  ],
  ROW_FAILED: [
    "This row could not be taken for a reason inside the system; try it again, or ask the operators.",
    "系统内部原因导致此行未能导入，请重试或联系运维人员。",
  ],
  INVALID: ["Is not valid here.", "此处无效。"],
} as const satisfies Record<string, readonly [en: string, zh: string]>;
