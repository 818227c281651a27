/** A refusal's status and its words in two languages. `{name}` is filled from the error's `data`. */
type Words = [title: string, detail: string];
export interface Entry {
  status: number;
  en: Words;
  zh: Words;
}

export const entry = (status: number, en: Words, zh: Words): Entry => ({ status, en, zh });
