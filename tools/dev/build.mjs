/**
 * Compiles src, tools, bench and test into dist, then removes what no source made.
 *
 * It does not empty dist first: a test run or a bench that executes from dist keeps its files
 * while another terminal builds.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..', '..');
const dist = join(root, 'dist');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

const { status, stdout } = spawnSync(process.execPath, [tsc, '--listEmittedFiles'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'inherit'],
});

const emitted = new Set();
for (const line of stdout.split('\n')) {
  if (line.startsWith('TSFILE: ')) emitted.add(resolve(root, line.slice('TSFILE: '.length).trim()));
  else if (line.trim() !== '') console.error(line);
}

if (emitted.size > 0 && existsSync(dist)) {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !emitted.has(path)) rmSync(path, { force: true });
  }
  removeEmptyFolders(dist);
}

const cli = join(dist, 'tools', 'cli.js');
if (existsSync(cli)) chmodSync(cli, 0o755);
process.exit(status ?? 1);

/** @param {string} folder */
function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0 && dirname(folder) !== root) {
    rmSync(folder, { recursive: true });
  }
}
