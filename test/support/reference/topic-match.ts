/** The slow twin of `TopicRouter`: one pattern, one key, word by word. */

/** A key without a character has no word; all others have one more than they have dots. */
function wordsOf(text: string): string[] {
  return text === '' ? [] : text.split('.');
}

export function topicMatches(pattern: string, key: string): boolean {
  return wordsMatch(wordsOf(pattern), wordsOf(key));
}

function wordsMatch(pattern: readonly string[], words: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return words.length === 0;
  // No word, or one, and perhaps another.
  if (first === '#') {
    return wordsMatch(rest, words) || (words.length > 0 && wordsMatch(pattern, words.slice(1)));
  }
  if (words.length === 0) return false;
  return (first === '*' || first === words[0]) && wordsMatch(rest, words.slice(1));
}
