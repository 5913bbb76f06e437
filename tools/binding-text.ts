/** Bindings, for people. */
import type {
  DocumentBinding,
  DocumentDestination,
  DocumentHeaders,
} from '../src/routing/topology-document.ts';
import { destinationName } from '../src/routing/topology-document.ts';
import { formatTable } from './table.ts';

/** `queue email`, `topic audit`, `exchange late` */
export function destinationText(destination: DocumentDestination): string {
  return `${kindOf(destination)} ${destinationName(destination).name}`;
}

/** `flights -> queue arrivals (flight.*.AMS)` */
export function bindingLine(binding: DocumentBinding): string {
  const rule = ruleText(binding);
  const where = `${binding.exchange} -> ${destinationText(binding.destination)}`;
  return rule === '' ? where : `${where} (${rule})`;
}

export function bindingsTable(bindings: readonly DocumentBinding[]): string {
  return formatTable(
    [
      { title: 'exchange' },
      { title: 'kind' },
      { title: 'destination' },
      { title: 'pattern' },
      { title: 'headers' },
    ],
    bindings.map(({ exchange, destination, pattern, headers }) => [
      exchange,
      kindOf(destination),
      destinationName(destination).name,
      pattern,
      headersText(headers),
    ]),
  );
}

function kindOf(destination: DocumentDestination): string {
  if ('exchange' in destination) return 'exchange';
  return 'queue' in destination ? 'queue' : 'topic';
}

/** `flight.*.AMS`, or `any: delay=late`; empty for neither. */
export function ruleText({ pattern, headers }: DocumentBinding): string {
  return [pattern, headersText(headers)].filter((part) => part !== '').join(', ');
}

/** `any: delay=late, cancelled`; a name alone asks whether the header is there. */
function headersText(headers: DocumentHeaders | undefined): string {
  if (headers === undefined) return '';
  const { 'x-match': match, ...conditions } = headers;
  const asked = Object.entries(conditions).map(([name, value]) => {
    if (value === null) return name;
    return `${name}=${typeof value === 'string' ? value : `base64:${value.base64}`}`;
  });
  const how = typeof match === 'string' ? match : 'all';
  return `${how}: ${asked.join(', ')}`.trimEnd();
}
