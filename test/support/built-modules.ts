/**
 * Has tests run on what `npm run build` made in place of the sources, when `VARVE_BUILT` is set: on what
 * is published, without Vite's getters between one module and the next, and loaded once by a process for
 * all of its test files. It takes a tenth to a fifth less time. Stack traces name the sources all the same.
 */
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Plugin } from 'vitest/config';

/** For `server.deps.external`: modules that Node loads, not Vite. */
export const BUILT_MODULES = /\/dist\/(?:src|tools|bench|test)\//;

/**
 * Resolves all that a test imports from this repository to what was built of it.
 *
 * @param root  of the repository
 * @throws Error for a module that was not built
 */
export function builtModules(root: string): Plugin {
  return {
    name: 'built-modules',
    enforce: 'pre',
    resolveId(source, importer) {
      const [, path, query = ''] = /^(\.{1,2}\/.*)\.ts(\?.*)?$/.exec(source) ?? [];
      if (path === undefined || importer === undefined) return null;
      const name = relative(root, resolve(dirname(importer), path));
      const built = join(root, 'dist', `${name}.js`);
      if (!existsSync(built)) throw new Error(`${name}.ts is not in dist: npm run build`);
      return `${built}${query}`;
    },
  };
}
