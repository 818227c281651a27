/**
 * What people do on an ordinary day, as requests at a steady rate whatever becomes of them: reads, changes, sign-ups,
 * people who register and sign in; with a record of what was promised to whom.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ADMIN } from "./cluster.ts";
import type { Answer, Edge, Sending } from "./edge.ts";

export interface Person {
  id: string;
  name: string;
  token: string;
}
interface Ids {
  id: string;
}
type Kind = (person: Person, post: string, round: number) => Promise<void>;

const PEOPLE = 24;
const ACTIVITIES = 40;
const POSTS = 20;
/** Of a sign-up that is told to come again. */
const TRIES = 3;
const WEEK = 7 * 24 * 3_600_000;

const password = (name: string): string => `wooden ships ${name}`;

export class CampusLife {
  readonly #edge: Edge;
  readonly #people: Person[] = [];
  readonly #activities: string[] = [];
  readonly #posts: string[] = [];
  #club = "";
  /** What went wrong: the request, and what came in place of the answer. */
  readonly failures: string[] = [];
  sent = 0;
  /** Sign-ups that were given a time to come again, which is an answer of theirs (docs/sign-up.md), and came. */
  deferred = 0;
  /** What was acknowledged: the resource's way to be found again, and its id. */
  readonly kept = {
    posts: new Set<string>(),
    comments: new Map<string, string[]>(),
    files: [] as [Person, string][],
  };
  readonly #joined: [Person, string][] = [];
  readonly #registered: Person[] = [];

  constructor(edge: Edge) {
    this.#edge = edge;
  }

  /** People, a club with activities, posts. */
  async begin(): Promise<void> {
    const edge = this.#edge;
    for (let i = 0; i < PEOPLE; i++) this.#people.push(await this.#register(`student-${i}`));
    const [president, reviewer] = this.#people as [Person, Person];
    const admin = await edge.ok<{ accessToken: string }>("POST", "/auth/login", {
      body: { login: ADMIN.email, password: ADMIN.password },
    });
    const { id: reviewerId } = reviewer;
    await edge.ok("PUT", `/users/${reviewerId}/roles`, {
      token: admin.accessToken,
      body: { roles: ["reviewer"] },
    });
    this.#club = await this.#found(president, reviewer);
    const as = { token: president.token };
    for (let i = 0; i < ACTIVITIES; i++) {
      const startsAt = new Date(Date.now() + WEEK).toISOString();
      const endsAt = new Date(Date.now() + WEEK + 3_600_000).toISOString();
      const body = { title: `Reading ${i}`, startsAt, endsAt, timezone: "Asia/Shanghai" };
      const { id } = await edge.ok<Ids>("POST", `/clubs/${this.#club}/activities`, { ...as, body });
      await edge.ok("POST", `/activities/${id}/publish`, { ...as, body: {} });
      this.#activities.push(id);
    }
    for (let i = 0; i < POSTS; i++) {
      const body = { clubId: this.#club, title: `Chapter ${i}`, body: "We read." };
      this.#posts.push((await edge.ok<Ids>("POST", "/posts", { ...as, body })).id);
    }
  }

  async #register(name: string): Promise<Person> {
    const { user, accessToken } = await this.#edge.ok<{ user: Ids; accessToken: string }>(
      "POST",
      "/auth/register",
      { body: { username: name, email: `${name}@example.edu`, password: password(name) } },
    );
    return { id: user.id, name, token: accessToken };
  }

  async #found(president: Person, reviewer: Person): Promise<string> {
    const edge = this.#edge;
    const { id } = await edge.ok<Ids>("POST", "/clubs", {
      token: president.token,
      body: { name: "Readers", summary: "We read", category: "academic" },
    });
    const { items } = await edge.ok<{ items: (Ids & { clubId: string })[] }>("GET", "/reviews?status=open", {
      token: reviewer.token,
    });
    const task = items.find(({ clubId }) => clubId === id)?.id;
    await edge.ok("POST", `/reviews/${task}/claim`, { token: reviewer.token });
    await edge.ok("POST", `/reviews/${task}/decision`, {
      token: reviewer.token,
      body: { decision: "approve" },
    });
    while ((await edge.send("GET", `/clubs/${id}`)).status !== 200) await sleep(50);
    return id;
  }

  /** Sends `rate` requests a second, each at its time, until `during` is over and all are answered. */
  async goOn(rate: number, during: () => Promise<void>): Promise<{ due: number; seconds: number }> {
    const begun = performance.now();
    const running: Promise<void>[] = [];
    let over = false;
    const done = during().finally(() => (over = true));
    const dueNow = (): number => Math.floor(((performance.now() - begun) / 1000) * rate);
    for (let i = 0; !over; await sleep(5))
      for (const due = dueNow(); i < due; i++) running.push(this.#one(i));
    await done;
    const seconds = (performance.now() - begun) / 1000;
    await Promise.all(running);
    return { due: running.length, seconds };
  }

  async #one(i: number): Promise<void> {
    this.sent += 1;
    const person = this.#people[i % PEOPLE] as Person;
    const post = this.#posts[i % POSTS] as string;
    const round = Math.floor(i / 20);
    await this.#kinds[i % this.#kinds.length]?.(person, post, round);
  }

  /** Sends once and notes any answer but those expected; null then. */
  async #try<B>(
    method: string,
    target: string,
    sending: Sending,
    expected: readonly number[] = [200],
  ): Promise<Answer<B> | null> {
    const at = new Date().toISOString().slice(14, 23);
    try {
      const answer = await this.#edge.send<B>(method, target, sending);
      if (expected.includes(answer.status)) return answer;
      this.failures.push(`${at} ${method} ${target}: ${answer.status} ${JSON.stringify(answer.body)}`);
    } catch (error) {
      this.failures.push(`${at} ${method} ${target}: ${String(error)}`);
    }
    return null;
  }

  readonly #read = (target: (person: Person, post: string) => string, signedIn = true) => {
    return async (person: Person, post: string): Promise<void> => {
      await this.#try("GET", target(person, post), signedIn ? { token: person.token } : {});
    };
  };

  /**
   * Twenty kinds, each as often as the others. What costs most (passwords, searches) is rare, as it is among people: two
   * cores carry the servers, the nodes and those who ask.
   */
  readonly #kinds: Kind[] = [
    this.#read(() => "/clubs", false),
    this.#read(() => `/clubs/${this.#club}`, false),
    this.#read(() => "/posts/hot", false),
    this.#read(() => "/activities"),
    this.#read(() => "/notifications"),
    this.#read(() => "/users/me"),
    this.#oneIn(
      10,
      this.#read(() => "/clubs/search?q=read"),
      this.#read(() => "/categories", false),
    ),
    this.#oneIn(
      2,
      (person, _, round) => this.#join(person, round),
      this.#read(() => "/users/me/activities"),
    ),
    this.#oneIn(
      5,
      (person, post) => this.#comment(person, post),
      this.#read((_, post) => `/posts/${post}`),
    ),
    this.#oneIn(
      5,
      (person) => this.#post(person),
      this.#read(() => "/posts"),
    ),
    this.#oneIn(
      5,
      (person) => this.#favor(person),
      this.#read(() => "/users/me/favorites"),
    ),
    this.#oneIn(
      5,
      (person, post) => this.#like(person, post),
      this.#read(() => "/posts/hot", false),
    ),
    this.#read((_, post) => `/posts/${post}/comments`, false),
    this.#oneIn(
      5,
      (person) => this.#announce(person),
      this.#read(() => "/announcements"),
    ),
    this.#oneIn(
      10,
      this.#read(() => "/posts/search?q=chapter"),
      this.#read(() => "/categories", false),
    ),
    this.#read(() => "/announcements"),
    this.#read(() => "/categories", false),
    this.#oneIn(
      20,
      () => this.#arrive(),
      this.#read(({ id }) => `/users/${id}`),
    ),
    this.#oneIn(
      20,
      (person) => this.#signIn(person),
      this.#read(() => "/roles"),
    ),
    this.#read(() => `/clubs/${this.#club}/members`),
  ];

  /** One round in so many is `rare`, and the others are `usual`. */
  #oneIn(rounds: number, rare: Kind, usual: Kind): Kind {
    return (person, post, round) => (round % rounds === 0 ? rare : usual)(person, post, round);
  }

  async #join(person: Person, round: number): Promise<void> {
    const activity = this.#activities[round % ACTIVITIES] as string;
    const sending = { token: person.token, body: {} };
    const target = `/activities/${activity}/participation`;
    for (let tries = 1; ; tries++) {
      const last = tries === TRIES;
      const answer = await this.#try<{ code?: string }>(
        "PUT",
        target,
        sending,
        last ? [200, 201] : [200, 201, 503],
      );
      if (answer && answer.status !== 503) this.#joined.push([person, activity]);
      if (answer?.status !== 503) return;
      if (answer.body.code !== "OVERLOADED") {
        this.failures.push(`PUT ${target}: ${JSON.stringify(answer.body)}`);
        return;
      }
      this.deferred += 1;
      await sleep(Number(answer.headers["retry-after"]) * 1_000);
    }
  }

  async #comment({ token }: Person, post: string): Promise<void> {
    const sending = { token, body: { body: "Well said" }, headers: { "idempotency-key": randomUUID() } };
    const answer = await this.#try<Ids>("POST", `/posts/${post}/comments`, sending, [201]);
    if (answer) this.kept.comments.set(post, [...(this.kept.comments.get(post) ?? []), answer.body.id]);
  }

  async #post({ token }: Person): Promise<void> {
    const body = { clubId: null, title: "A thought", body: "I have read." };
    const sending = { token, body, headers: { "idempotency-key": randomUUID() } };
    const answer = await this.#try<Ids>("POST", "/posts", sending, [201]);
    if (answer) this.kept.posts.add(answer.body.id);
  }

  async #favor({ token }: Person): Promise<void> {
    await this.#try("PUT", `/clubs/${this.#club}/favorite`, { token }, [204]);
  }

  async #like({ token }: Person, post: string): Promise<void> {
    await this.#try("PUT", `/posts/${post}/like`, { token }, [204]);
  }

  async #announce(person: Person): Promise<void> {
    const body = { name: "notes.pdf", contentType: "application/pdf", size: 1_000, purpose: "post" };
    const answer = await this.#try<{ file: Ids }>("POST", "/files", { token: person.token, body }, [201]);
    if (answer) this.kept.files.push([person, answer.body.file.id]);
  }

  async #arrive(): Promise<void> {
    const name = `u${randomUUID().slice(0, 13)}`;
    const body = { username: name, email: `${name}@example.edu`, password: password(name) };
    const answer = await this.#try<{ user: Ids; accessToken: string }>(
      "POST",
      "/auth/register",
      { body },
      [201],
    );
    if (answer) this.#registered.push({ id: answer.body.user.id, name, token: answer.body.accessToken });
  }

  async #signIn({ name }: Person): Promise<void> {
    await this.#try("POST", "/auth/login", { body: { login: name, password: password(name) } });
  }

  /** What was acknowledged and is not there. */
  async missing(): Promise<string[]> {
    const lost: string[] = [];
    const [reader] = this.#people as [Person];
    for (const id of this.kept.posts)
      if ((await this.#edge.send("GET", `/posts/${id}`, { token: reader.token })).status !== 200)
        lost.push(`post ${id}`);
    for (const [post, ids] of this.kept.comments) {
      const there = new Set((await this.#all<Ids>(`/posts/${post}/comments`, reader)).map(({ id }) => id));
      lost.push(...ids.filter((id) => !there.has(id)).map((id) => `comment ${id}`));
    }
    // Announced and not uploaded: it is there, and not complete.
    for (const [{ token }, id] of this.kept.files)
      if ((await this.#edge.send("GET", `/files/${id}`, { token })).status !== 409) lost.push(`file ${id}`);
    for (const { token, name } of this.#registered)
      if ((await this.#edge.send("GET", "/users/me", { token })).status !== 200) lost.push(`user ${name}`);
    return [...lost, ...(await this.#missingSignUps())];
  }

  async #missingSignUps(): Promise<string[]> {
    const lost: string[] = [];
    for (const person of this.#people) {
      const mine = await this.#all<{ activity: Ids }>("/users/me/activities", person);
      const there = new Set(mine.map(({ activity }) => activity.id));
      for (const [who, activity] of this.#joined)
        if (who === person && !there.has(activity)) lost.push(`${person.name} in ${activity}`);
    }
    return lost;
  }

  async #all<T>(target: string, { token }: Person): Promise<T[]> {
    const found: T[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const next: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { items: T[]; nextCursor: string | null } = await this.#edge.ok(
        "GET",
        `${target}?limit=100${next}`,
        { token },
      );
      found.push(...page.items);
      cursor = page.nextCursor;
    }
    return found;
  }
}
