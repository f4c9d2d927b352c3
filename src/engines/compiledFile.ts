// Where the JavaScript of another entry of the package lies, for threads and processes.

/**
 * The compiled file `name`, relative to the module whose import.meta.url is `from`. From a TypeScript source, as tests load it, that
 * is its place in dist: a thread can load JavaScript only.
 */
export function compiledFile(name: string, from: string): URL {
  const url = new URL(name, from);
  if (from.endsWith(".ts")) url.pathname = url.pathname.replace(/\/src\/(?!.*\/src\/)/, "/dist/");
  return url;
}
