/** Refusals of the gateway and of every endpoint. */
import { entry } from "./entry.ts";
import type { Entry } from "./entry.ts";

export const EVERYWHERE = {
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
  NETWORK_NOT_ALLOWED: entry(
    403,
    ["Not from here", "Administration is open to some networks only. Connect through one of them."],
    ["当前网络不可访问", "管理功能仅对指定网络开放，请通过允许的网络访问。"],
  ),
  TOTP_SETUP_REQUIRED: entry(
    403,
    ["Set up the second factor", "Administrators need one: POST /admin/auth/totp, then confirm it."],
    ["请先启用两步验证", "管理员必须启用两步验证：请调用 POST /admin/auth/totp 并确认。"],
  ),
  USE_ADMIN_GATEWAY: entry(
    403,
    ["Use the admin gateway", "This account's administration goes through the admin gateway."],
    ["请使用管理网关", "此账号的管理操作须通过管理网关进行。"],
  ),
  MAINTENANCE: entry(
    503,
    [
      "Maintenance",
      "Nothing can be changed just now; reading goes on. Try again after the seconds in Retry-After.",
    ],
    ["系统维护中", "维护期间暂不能更改内容，仍可浏览，请在 Retry-After 指定的秒数后重试。"],
  ),
  SWITCHED_OFF: entry(
    403,
    ["Switched off", "The campus office has switched this off for now."],
    ["功能已关闭", "学校管理部门暂时关闭了此功能。"],
  ),
} as const satisfies Record<string, Entry>;
