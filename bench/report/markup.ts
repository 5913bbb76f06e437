/** Well-formed, escaped markup: text becomes markup by `element` alone, which closes what it opens. */

/** Markup that may stand in a page as it is. */
export class Markup {
  readonly text: string;

  /** @internal Use `element`. */
  constructor(text: string) {
    this.text = text;
  }
}

export type Child = Markup | string | readonly Child[];
type Attributes = Readonly<Record<string, string | number>>;

/** Elements of HTML that have no end tag. They are closed all the same, as XML wants it. */
const VOID = new Set(['meta']);

/** Text that XML and HTML must not have, escaped or not. */
const FORBIDDEN =
  // oxlint-disable-next-line eslint/no-control-regex -- controls are what it is looking for
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFFFE\uFFFF]|\p{Surrogate}/gu;

/** One element; strings among the children are text and are escaped. */
export function element(name: string, attributes: Attributes, ...children: Child[]): Markup {
  const head = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(`${value}`)}"`);
  if (VOID.has(name)) return new Markup(`<${name}${head.join('')} />`);
  return new Markup(`<${name}${head.join('')}>${children.map(render).join('')}</${name}>`);
}

/** A style sheet of ours. It must not hold `<` or `&`, which HTML reads in it as they are. */
export function styleSheet(css: string): Markup {
  return new Markup(`<style>${css}</style>`);
}

function render(child: Child): string {
  if (child instanceof Markup) return child.text;
  return typeof child === 'string' ? escape(child) : child.map(render).join('');
}

function escape(text: string): string {
  return text
    .replaceAll(FORBIDDEN, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
