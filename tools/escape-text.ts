/**
 * Makes text from files safe to print.
 *
 * A file name, key or value may hold escape sequences that move the cursor, retitle the window or
 * hide text, and Unicode controls that reorder it. People and logs see `\x1b` instead.
 */

// C0, DEL and C1 controls; line and paragraph separators; bidirectional controls; lone surrogates.
const UNSAFE =
  // oxlint-disable-next-line eslint/no-control-regex -- controls are what it is looking for
  /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]|\p{Surrogate}/gu;

/** `text` with control characters written as `\n`, `\t`, `\xNN` or `\u{NNNN}`; one line. */
export function escapeText(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    if (character === '\n') return String.raw`\n`;
    if (character === '\t') return String.raw`\t`;
    if (character === '\r') return String.raw`\r`;
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`;
  });
}
