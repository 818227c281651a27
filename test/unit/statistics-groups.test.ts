import { Groups } from "../../services/admin/statistics-groups.ts";

test("what comes while a group is in work is the next group, no larger than it may be", async () => {
  const groups: number[][] = [];
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const work = new Groups<number>(async (group) => {
    groups.push(group);
    if (groups.length === 1) await held;
  }, 5);
  const all = [1, 2, 3, 4].map((one) => work.add(one, 2));
  // Larger than a group may be: alone.
  all.push(work.add(5, 9), work.add(6, 1));
  release();
  await Promise.all(all);
  expect(groups).toEqual([[1], [2, 3], [4], [5], [6]]);
});

test("what nobody can do fails alone", async () => {
  const done: number[] = [];
  const work = new Groups<number>(async (group) => {
    if (group.includes(3)) throw new Error("three");
    done.push(...group);
  }, 100);
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map((one) => work.add(one, 1)));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 4]);
});
