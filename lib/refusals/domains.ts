/** Refusals of the domains. */
import { entry } from "./entry.ts";
import type { Entry } from "./entry.ts";

export const DOMAINS = {
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
