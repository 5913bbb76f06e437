import type { File, FileSystem } from '../../../src/io/file-system.ts';
type Hook = (operation: string, path: string, when: 'before' | 'after') => Promise<void> | void;
/** Calls `hook` around every asynchronous call. */
export function hooked(fileSystem: FileSystem, hook: Hook): FileSystem {
  const wrap = <O extends object>(target: O, pathOf: (args: unknown[]) => string): O =>
    new Proxy(target, {
      get(object, name) {
        const member = Reflect.get(object, name, object) as unknown;
        if (typeof member !== 'function') return member;
        const call = member.bind(object) as (...args: unknown[]) => unknown;
        if (String(name).endsWith('Sync')) return call;
        return async (...args: unknown[]) => {
          const path = pathOf(args);
          await hook(String(name), path, 'before');
          const result = await call(...args);
          await hook(String(name), path, 'after');
          if (name === 'open') return wrap(result as File, () => path);
          return result;
        };
      },
    });
  return wrap(fileSystem, (args) => String(args[0]));
}
export const settled = async (promise: Promise<unknown>, turns = 2000): Promise<string> => {
  let state = 'pending';
  promise.then(() => (state = 'resolved'), (e: unknown) => (state = `rejected ${String(e)}`));
  for (let n = 0; n < turns && state === 'pending'; n++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return state;
};
