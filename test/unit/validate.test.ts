/** What does not fit its schema is refused, however much of it there is. */
import fc from "fast-check";
import { Type as T } from "typebox";
import { isRefusal } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { compileCheck } from "../../lib/validate.ts";

const check = compileCheck(
  T.Object({
    login: T.String({ maxLength: 10 }),
    size: T.Optional(T.Integer({ minimum: 0 })),
    inner: T.Optional(T.Object({ name: T.String() })),
  }),
);

/** The errors that a value is refused with; null where it is taken. */
function errorsOf(value: unknown): FieldError[] | null {
  try {
    check(value);
    return null;
  } catch (error) {
    if (!isRefusal(error, "VALIDATION_FAILED")) throw error;
    return error.data["errors"] as FieldError[];
  }
}

const junk = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`junk${n}`, n]));

test("an unknown field is named, also among hundreds", () => {
  expect(errorsOf({ login: "x", ...junk(1) })).toEqual([{ field: "junk0", code: "UNKNOWN_FIELD" }]);
  expect(errorsOf({ login: "x", ...junk(1_000) })?.[0]).toEqual({ field: "junk0", code: "UNKNOWN_FIELD" });
  expect(errorsOf({ login: "x", inner: { name: "y", ...junk(1_000) } })).toEqual([
    { field: "", code: "INVALID" },
  ]);
});

test("nothing passes that has an unknown field or a wrong value, whatever stands beside it", () => {
  const place = fc.record({
    many: fc.nat({ max: 400 }),
    inside: fc.nat({ max: 400 }),
    login: fc.oneof(
      fc.constant("fine"),
      fc.constant({ a: 1 }),
      fc.constant("far too long a name"),
      fc.integer(),
    ),
    size: fc.oneof(fc.nat(), fc.constant(-1e15), fc.constant("1"), fc.constant([])),
  });
  fc.assert(
    fc.property(place, ({ many, inside, login, size }) => {
      const fits =
        many === 0 && inside === 0 && login === "fine" && Number.isInteger(size) && Number(size) >= 0;
      const errors = errorsOf({ ...junk(many), login, size, inner: { name: "x", ...junk(inside) } });
      expect(errors === null).toBe(fits);
      expect(errors).not.toEqual([]);
    }),
  );
});
