/** .dockerignore: what of a folder comes into a build. */
import path from "node:path";

/**
 * Says of a path whether the file leaves it out. The last line that matches a path, or a folder that it is in, decides,
 * as in Docker's own reading.
 */
export function ignoredBy(text: string): (file: string) => boolean {
  const rules = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => ({ out: !line.startsWith("!"), pattern: line.replace(/^!/, "").replace(/^\/|\/$/g, "") }));
  return (file) => {
    const folders = parentsOf(file);
    const deciding = rules.findLast(({ pattern }) => folders.some((each) => path.matchesGlob(each, pattern)));
    return deciding?.out ?? false;
  };
}

/** A path and the folders that it is in. */
function parentsOf(file: string): string[] {
  const parts = file.split("/");
  return parts.map((_, n) => parts.slice(0, n + 1).join("/"));
}
