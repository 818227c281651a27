/** The talk of the fair: a post of each club, likes and comments of the students, and whether all are counted. */
import type { MultiBar } from "cli-progress";
import { forEach } from "./client.ts";
import type { Person } from "./client.ts";
import type { dice } from "./lists.ts";

interface Post {
  id: string;
  likes: number;
  comments: number;
}

/** One of so many students writes a comment. */
const COMMENTS = 10;

/** @returns what does not agree; empty when everything does */
export async function talk(
  bars: MultiBar,
  { clubs, people }: { clubs: { id: string; president: Person }[]; people: Person[] },
  roll: ReturnType<typeof dice>,
  atOnce: number,
): Promise<string[]> {
  const bar = bars.create(clubs.length + people.length, 0, { title: "Posts, likes " });
  const posts: Post[] = [];
  await forEach(clubs, atOnce, async ({ id: clubId, president }, i) => {
    const { id } = await president.send<{ id: string }>("POST", "/posts", {
      clubId,
      title: "招新啦 We are looking for you",
      body: "周五晚上七点，**大礼堂**。Friday at seven, in the *great hall*.",
      tags: ["迎新"],
    });
    posts[i] = { id, likes: 0, comments: 0 };
    bar.increment();
  });
  // Half of all likes are for one post, as they are.
  const liked = people.map((person) => [person, posts[roll(2) * roll(posts.length)] as Post] as const);
  await forEach(liked, atOnce, async ([person, post], i) => {
    await person.send("PUT", `/posts/${post.id}/like`);
    post.likes++;
    if (i % COMMENTS === 0) {
      await person.send("POST", `/posts/${post.id}/comments`, { body: "我来！I will be there!" });
      post.comments++;
    }
    bar.increment();
  });
  const reader = people[0] as Person;
  const problems: string[] = [];
  await forEach(posts, atOnce, async ({ id, likes, comments }) => {
    const { likeCount, commentCount } = await reader.send<{ likeCount: number; commentCount: number }>(
      "GET",
      `/posts/${id}`,
    );
    if (likeCount !== likes || commentCount !== comments)
      problems.push(
        `post ${id} counts ${likeCount} likes and ${commentCount} comments, not ${likes} and ${comments}`,
      );
  });
  return problems;
}
