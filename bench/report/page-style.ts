/** The style sheet of the report page: light and dark, narrow screens, print. */

/** Colours carry no meaning alone: every state has a word, every line of a chart its own marks. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --ink: #1d2126; --soft: #5b6470; --line: #d9dde2; --panel: #ffffff;
  --bar: #2b6cb0; --reference: #98a2ae; --whisker: #1d2126;
  --good: #1f7a4d; --bad: #b3261e; --unknown: #8a6100;
  --l0: #2b6cb0; --l1: #b4530a; --l2: #1f7a4d; --l3: #86318f; --l4: #5b6470; --l5: #a3124a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e6e9ed; --soft: #9aa4b0; --line: #323941; --panel: #1b1f24;
    --bar: #5b9fe0; --reference: #6b7683; --whisker: #e6e9ed;
    --good: #57c08a; --bad: #ff8a80; --unknown: #e0b04a;
    --l0: #6fb0f0; --l1: #f0a25c; --l2: #57c08a; --l3: #d38be0; --l4: #9aa4b0; --l5: #ff86ab;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; padding-top: .75rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 0 0 .1rem; overflow-wrap: anywhere; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
a { color: inherit; }
nav { margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; }
.soft, caption { color: var(--soft); font-size: .875rem; }
.summary { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.summary b { font-size: 1.6rem; margin-right: .35rem; }
.panel {
  background: var(--panel); border: 1px solid var(--line); border-radius: .5rem;
  padding: 1rem; margin: 1rem 0; break-inside: avoid;
}
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; vertical-align: middle; font-weight: normal; }
thead th { color: var(--soft); font-size: .8rem; border-bottom: 1px solid var(--line); }
th.name { width: 36%; overflow-wrap: anywhere; }
td.chart { width: 30%; min-width: 8rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wrap { overflow-wrap: anywhere; }
td.state { white-space: nowrap; font-weight: 600; padding-right: 0; }
.reason { font-weight: normal; white-space: normal; overflow-wrap: anywhere; }
.met { color: var(--good); } .missed { color: var(--bad); } .unknown { color: var(--unknown); }
svg { display: block; width: 100%; overflow: visible; }
svg.bar { height: 1rem; }
.fill { fill: var(--bar); } .fill.reference { fill: var(--reference); }
.fill.met { fill: var(--good); } .fill.missed { fill: var(--bad); } .fill.unknown { fill: var(--unknown); }
.whisker { stroke: var(--whisker); stroke-width: 1.5; }
.goal-line { stroke: var(--ink); stroke-width: 2; }
.grid { stroke: var(--line); stroke-width: 1; }
svg text { fill: var(--soft); font-size: 12px; }
.l0 { --own: var(--l0); } .l1 { --own: var(--l1); } .l2 { --own: var(--l2); }
.l3 { --own: var(--l3); } .l4 { --own: var(--l4); } .l5 { --own: var(--l5); }
line.l0, line.l1, line.l2, line.l3, line.l4, line.l5 { stroke: var(--own); stroke-width: 2; }
circle.l0, circle.l1, circle.l2, circle.l3, circle.l4, circle.l5 { fill: var(--own); }
svg text.mark { fill: var(--own); font-weight: 700; }
.key { font-weight: 700; margin-right: .4rem; color: var(--own); }
.scroll { overflow-x: auto; }
details { margin-top: .6rem; } summary { cursor: pointer; color: var(--soft); font-size: .875rem; }
code { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: .85em; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  table.rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.rows, table.rows tbody, table.rows caption { display: block; }
  table.rows tr { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .75rem; padding: .5rem 0; border-top: 1px solid var(--line); }
  table.rows th.name, table.rows td.chart { flex: 1 0 100%; width: 100%; }
  table.rows td { padding: 0; } table.rows td.number { text-align: left; }
}
@media print {
  :root { --paper: #fff; --panel: #fff; --ink: #000; --soft: #444; --line: #bbb; --bar: #2b6cb0; --reference: #98a2ae; --whisker: #000;
    --good: #1f7a4d; --bad: #b3261e; --unknown: #8a6100;
    --l0: #2b6cb0; --l1: #b4530a; --l2: #1f7a4d; --l3: #86318f; --l4: #5b6470; --l5: #a3124a; }
  body { max-width: none; padding: 0; font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav, details:not([open]) { display: none; }
  h2, h3, caption { break-after: avoid; } tr { break-inside: avoid; }
}
`;
