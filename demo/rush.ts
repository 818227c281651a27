/** The rush of the fair: every student signs up for one activity in the same moment, and the API must be exact about it. */
import type { MultiBar } from "cli-progress";
import type { Person } from "./client.ts";

interface Standing {
  status: "confirmed" | "waitlisted" | "cancelled";
  position?: number;
}

/** So many of those who have a place give it up afterwards. */
const GIVE_UP = 10;

/** @returns what does not agree; empty when everything does */
export async function rush(
  bars: MultiBar,
  { clubId, president, people }: { clubId: string; president: Person; people: Person[] },
): Promise<string[]> {
  const capacity = Math.max(1, Math.floor(people.length / 4));
  const { id } = await president.send<{ id: string }>("POST", `/clubs/${clubId}/activities`, {
    title: "迎新晚会 Welcome party",
    startsAt: new Date(Date.now() + 30 * 60_000).toISOString(),
    endsAt: new Date(Date.now() + 150 * 60_000).toISOString(),
    timezone: "Asia/Shanghai",
    location: "大礼堂 Great hall",
    capacity,
    waitlist: true,
    reminders: [20],
  });
  await president.send("POST", `/activities/${id}/publish`);
  const bar = bars.create(people.length, 0, { title: "Sign-ups     " });
  const standings = await Promise.all(
    people.map(async (person) => {
      const standing = await person.send<Standing>("PUT", `/activities/${id}/participation`, {});
      bar.increment();
      return standing;
    }),
  );
  const problems = exact(standings, capacity);
  const leaving = people.filter((_, i) => standings[i]?.status === "confirmed").slice(0, GIVE_UP);
  for (const person of leaving) await person.send("DELETE", `/activities/${id}/participation`);
  return [
    ...problems,
    ...(await promoted(id, people, standings, leaving)),
    ...(await counted(president, id, people, capacity)),
  ];
}

function exact(standings: Standing[], capacity: number): string[] {
  const confirmed = standings.filter(({ status }) => status === "confirmed").length;
  const positions = standings.flatMap(({ position }) => position ?? []).toSorted((a, b) => a - b);
  const gapless = positions.every((position, i) => position === i + 1);
  return [
    ...(confirmed === capacity ? [] : [`${confirmed} have a place, ${capacity} there are`]),
    ...(gapless && positions.length === standings.length - confirmed
      ? []
      : ["the places in the waitlist have gaps or come twice"]),
  ];
}

/** The first in the waitlist have the places that were given up. */
async function promoted(
  id: string,
  people: Person[],
  standings: Standing[],
  left: Person[],
): Promise<string[]> {
  const first = people.filter((_, i) => (standings[i]?.position ?? Infinity) <= left.length);
  const now = await Promise.all(
    first.map((person) => person.send<Standing>("GET", `/activities/${id}/participation`)),
  );
  const still = now.filter(({ status }) => status !== "confirmed").length;
  return still === 0 ? [] : [`${still} of the first in the waitlist did not move up`];
}

async function counted(president: Person, id: string, people: Person[], capacity: number): Promise<string[]> {
  const { confirmedCount, waitlistCount } = await president.send<{
    confirmedCount: number;
    waitlistCount: number;
  }>("GET", `/activities/${id}`);
  const waiting = people.length - capacity - Math.min(GIVE_UP, capacity);
  if (confirmedCount === capacity && waitlistCount === Math.max(0, waiting)) return [];
  return [
    `the activity counts ${confirmedCount} and ${waitlistCount} waiting, not ${capacity} and ${waiting}`,
  ];
}
