/** What the shipped files import: packages that the image has, and files that it has. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";

const FOLDERS = ["lib", "middlewares", "migrations", "mixins", "scripts", "services"];
const IMPORT =
  /(?:^(?:import|export)(?! type)\b[^;]*?from\s*|^import\s*|\bimport\(\s*|\brequire\(\s*)"([^"]+)"/gms;
/** Types alone are gone before anything runs. */
const COMMENT = /\/\*.*?\*\/|^\s*\/\/.*$/gms;

/** Sentences about imports of shipped files that the image does not have. @param ships whether a file comes into it */
export function strangeImports(root: string, ships: (file: string) => boolean): string[] {
  const { dependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const files = [
    "moleculer.config.ts",
    ...FOLDERS.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root })),
  ];
  return files.filter(ships).flatMap((file) =>
    importsOf(readFileSync(path.join(root, file), "utf8")).flatMap((name) => {
      if (!name.startsWith(".")) {
        const known = isBuiltin(name) || packageOf(name) in dependencies;
        return known ? [] : `${file} imports ${name}, which is no dependency of production.`;
      }
      const target = path.normalize(path.join(path.dirname(file), name));
      const there = existsSync(path.join(root, target)) && ships(target) && inShippedFolder(target);
      return there ? [] : `${file} imports ${target}, which is not in the image.`;
    }),
  );
}

function importsOf(text: string): string[] {
  return [...text.replaceAll(COMMENT, "").matchAll(IMPORT)].map(([, name]) => name as string);
}

const packageOf = (name: string): string => name.split("/", name.startsWith("@") ? 2 : 1).join("/");

const inShippedFolder = (file: string): boolean =>
  !file.includes("/") || FOLDERS.some((folder) => file.startsWith(`${folder}/`));
