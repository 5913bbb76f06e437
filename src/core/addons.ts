/**
 * The seam for native addons, all of them optional dependencies: everything works without them.
 *
 * Throws what Node throws when one is not installed, or not for this machine or this Node.js.
 */
import { createRequire } from 'node:module';

export const loadAddon: NodeJS.Require = createRequire(import.meta.url);
