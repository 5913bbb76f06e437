/** The router of an exchange, by its type. */
import type { ExchangeType } from './binding.ts';
import type { BindingLists } from './binding-lists.ts';
import { ConsistentHashRouter } from './consistent-hash-router.ts';
import { DirectRouter } from './direct-router.ts';
import { FanoutRouter } from './fanout-router.ts';
import { HeadersRouter } from './headers-router.ts';
import type { Router } from './router-type.ts';
import { TopicRouter } from './topic-router.ts';

const ROUTERS: Readonly<Record<ExchangeType, new (lists: BindingLists) => Router>> = {
  direct: DirectRouter,
  fanout: FanoutRouter,
  topic: TopicRouter,
  headers: HeadersRouter,
  'consistent-hash': ConsistentHashRouter,
};

/** @param lists links of the bindings by slot, which the routers of all exchanges may share */
export function routerOf(type: ExchangeType, lists: BindingLists): Router {
  return new ROUTERS[type](lists);
}
