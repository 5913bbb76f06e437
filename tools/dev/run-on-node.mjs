/**
 * Runs the unit and integration tests on another Node: `npm run test:node -- 24 [vitest arguments]`, or
 * those that the arguments name (`--mode faults`: the fault tests).
 *
 * That Node comes from the npm package `node`, so nothing is installed globally. The native addon
 * was compiled for this Node and does not load there: the paths without it are what gets tested.
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..', '..');
const [version = '', ...extra] = process.argv.slice(2);
if (!/^\d+(?:\.\d+){0,2}$/.test(version)) {
  console.error('usage: npm run test:node -- <Node version, such as 24> [vitest arguments]');
  process.exit(2);
}

const hasFilter = extra.some((argument) => !argument.startsWith('-'));
const runner = [
  join(root, 'node_modules', 'vitest', 'vitest.mjs'),
  'run',
  '--config',
  'test/vitest.config.ts',
  ...(hasFilter ? [] : ['test/unit', 'test/integration']),
  ...extra,
];

for (const command of [['--version'], runner]) {
  const exec = ['exec', '--yes', '--package', `node@${version}`, '--', 'node', ...command];
  const { status } = spawnSync('npm', exec, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
