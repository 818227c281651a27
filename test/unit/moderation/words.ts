/** The list that the corpus is written for: what a campus would list, as far as it can be printed. */
import type { ListedWord } from "../../../lib/moderation/filter.ts";

const BLOCKED = `forbidden casino viagra cialis cocaine shit ass slut anal scam escort cum dick fuck tit sex pill kill
  gamble cheat nazi spam rape hell crap nude essay_mill exam_answers contract_cheating
  赌博 毒品 代考 代写 刷单 办证 迷药 性交 口交 情色 约炮 卖身 套现 发票 传销 假证 校园贷 裸贷 枪手替考 代写论文 傻逼 妈的 冰毒 走私`;

export const LIST: ListedWord[] = [
  ...BLOCKED.split(/\s+/).map((word): ListedWord => ({ word: word.replace("_", " "), action: "block" })),
  ...[
    "Scunthorpe",
    "性交通",
    "代写实",
    "代写意",
    "刷单页",
    "迷药箱",
    "发票价",
    "发票房",
    "走私下",
    "代考古",
    "sex education",
    "性交流",
    "Moby Dick",
    "发票据",
  ].map((word): ListedWord => ({
    word,
    action: "allow",
  })),
];
