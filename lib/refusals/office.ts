/** Refusals of what administrators do. */
import { entry } from "./entry.ts";
import type { Entry } from "./entry.ts";

export const OFFICE = {
  // Administrators
  TOTP_REQUIRED: entry(
    401,
    ["A code is needed", "Send the six digits of the authenticator app, or a recovery code, as `code`."],
    ["需要验证码", "请在 code 中填写验证器应用的六位数字或恢复码。"],
  ),
  TOTP_INVALID: entry(
    401,
    ["Wrong code", "The code is wrong, too old or was used. Wait for the next one and try again."],
    ["验证码错误", "验证码不正确、已过期或已使用，请等待下一个验证码后重试。"],
  ),
  TOTP_CODE_WRONG: entry(
    422,
    ["Wrong code", "The code is wrong, too old or was used. Wait for the next one and try again."],
    ["验证码错误", "验证码不正确、已过期或已使用，请等待下一个验证码后重试。"],
  ),
  TOTP_ALREADY_SET: entry(
    409,
    ["The second factor is in force", "Remove it first (DELETE /admin/auth/totp), then set up another."],
    ["两步验证已启用", "请先移除（DELETE /admin/auth/totp），再设置新的。"],
  ),
  TOTP_NOT_SET: entry(
    409,
    ["No second factor", "There is nothing to confirm or remove: set it up first (POST /admin/auth/totp)."],
    ["尚未设置两步验证", "没有可确认或移除的两步验证，请先调用 POST /admin/auth/totp。"],
  ),
  // Announcements
  ALREADY_STARTED: entry(
    409,
    [
      "The announcement has started",
      "Whom it is for, and its start, are settled when it starts. Withdraw it and announce it anew.",
    ],
    ["公告已开始", "公告开始后不能再修改受众和开始时间，请撤回后重新发布。"],
  ),
  ALREADY_WITHDRAWN: entry(
    409,
    ["The announcement is withdrawn", "Announce it anew, with what is to be changed."],
    ["公告已撤回", "请按需要的内容重新发布。"],
  ),
  // The system
  LAST_NODE: entry(
    409,
    [
      "The last node of its domain",
      "No other working node runs: {domains}. Start another one first, or send `force`, and what needs them waits.",
    ],
    [
      "该领域的最后一个节点",
      "没有其他正常节点运行：{domains}。请先启动另一个节点，或以 force 强制执行（相关功能将不可用）。",
    ],
  ),
  NODE_SILENT: entry(
    503,
    [
      "The node does not answer",
      "It can be asked for nothing. Have its supervisor end it, and look at its log.",
    ],
    ["节点无响应", "该节点没有应答，请通过进程管理器结束它，并查看其日志。"],
  ),
  ERASURE_OWED: entry(
    409,
    [
      "An erasure is owed",
      "This message erases a person, who is owed that. Mend what refuses it, and replay it.",
    ],
    ["必须完成的数据删除", "该消息用于删除个人数据，不能丢弃；请排除拒绝原因后重新投递。"],
  ),
  SAGA_HELD: entry(
    409,
    ["A node works at it", "Wait the seconds in Retry-After, look again, and repeat it if it still stands."],
    ["正有节点在处理", "请等待 Retry-After 指定的秒数后再查看，如仍未结束请重试。"],
  ),
  SAGA_ENDED: entry(
    409,
    ["It has ended", "This saga has ended meanwhile ({state}). There is nothing left to do."],
    ["流程已结束", "该流程已经结束（{state}），无需处理。"],
  ),
  SAGA_UNDOING: entry(
    409,
    [
      "It is being undone",
      "Parts of it are taken back, so it cannot be finished. Undo it; whoever began it may begin anew.",
    ],
    ["流程正在撤销", "部分步骤已撤销，无法再完成；请撤销后由发起人重新发起。"],
  ),
  SAGA_STUCK: entry(
    503,
    [
      "A step failed",
      "The step `{step}` did not succeed: {reason}. All else stays as it is; repeat it, or undo the saga.",
    ],
    ["步骤失败", "步骤 {step} 未成功：{reason}。其余保持不变，可重试或撤销。"],
  ),
  // Imports
  IMPORT_ENCODING: entry(
    422,
    [
      "The text cannot be read",
      "The file is neither UTF-8 nor GB18030. Save it as CSV in one of the two and send it again.",
    ],
    ["无法识别文字编码", "文件既不是 UTF-8 也不是 GB18030，请另存为其中一种编码的 CSV 后重试。"],
  ),
  IMPORT_MALFORMED: entry(
    422,
    [
      "The file is no CSV that can be read",
      "Row {row} (counted without the heading) has a quotation mark that never closes or stands in the wrong place, or is too long. Mend it and send the file again.",
    ],
    ["CSV 格式有误", "第 {row} 行（不含表头）的引号没有闭合或位置不对，或内容过长，请修正后重试。"],
  ),
  IMPORT_EMPTY: entry(
    422,
    ["The file has no rows", "It needs a heading and at least one row below it."],
    ["文件没有数据", "文件须有表头和至少一行数据。"],
  ),
  IMPORT_OVER: entry(
    409,
    ["The import has ended", "It is over already; nothing is left to stop."],
    ["导入已结束", "该导入已经结束，无需停止。"],
  ),
} as const satisfies Record<string, Entry>;
