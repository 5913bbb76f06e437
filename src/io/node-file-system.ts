import { MemoryFileSystem } from './memory-file-system.ts'; export const nodeFileSystem = new MemoryFileSystem(); // STUB by lead: helper-2 replaces this file
