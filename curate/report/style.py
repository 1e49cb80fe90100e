"""How the report's page looks: light and dark, on a wide screen, on a phone and on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c1c1e, #e8e6e3); --soft: light-dark(#5f5f64, #a9a7a3);
  --paper: light-dark(#fdfcfa, #17181a); --card: light-dark(#fff, #1e1f22); --line: light-dark(#e4e1da, #33353a);
  --keep: light-dark(#2f7d5b, #5fbf93); --warn: light-dark(#b03d22, #f08a6c); --shade: light-dark(#0003, #0009); --accent: light-dark(#0a5c8f, #7cc0ec); }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
.page { display: grid; grid-template-columns: minmax(0, 1fr); max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .35rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3.2rem 0 .8rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; } h4 { font-size: .85rem; color: var(--soft); margin: 1rem 0 .2rem; }
a { color: var(--accent); } p.lead, .why { color: var(--soft); max-width: 48rem; } p.lead { margin: 0 0 1.4rem; }
.why { font-size: .9rem; margin: .5rem 0 .8rem; }
nav { font-size: .88rem; margin: 1.2rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
nav a { color: var(--soft); text-decoration: none; } nav a:hover { color: var(--accent); text-decoration: underline; }
.steps { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0; border: 1px solid var(--line); border-radius: 10px;
  background: var(--card); overflow: hidden; margin: 0 0 1.6rem; }
.steps div { padding: .8rem 1rem; border-left: 1px solid var(--line); } .steps div:first-child { border-left: 0; }
.steps b { display: block; font-size: 1.7rem; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.steps span { color: var(--soft); font-size: .85rem; } .steps .kept b { color: var(--keep); }
ul.short { list-style: none; padding: 0; margin: 0; max-width: 52rem; }
ul.short li { padding: .35rem 0 .35rem 1.7rem; position: relative; }
ul.short li::before { content: ""; position: absolute; left: .3rem; top: .88rem; width: .5rem; height: .5rem; border-radius: 50%;
  background: var(--line); }
ul.short li.look { font-weight: 550; } ul.short li.look::before { background: var(--warn); }
ul.short a { font-weight: 400; font-size: .85rem; white-space: nowrap; }
.lacking { padding-left: 1.2rem; } .lacking li { margin: .15rem 0; }
figure { margin: 1.2rem 0; } figure .lc { display: block; width: 100%; height: auto; max-width: 40rem; }
figure .lc[viewBox^="0 0 790"] { max-width: none; min-width: 40rem; } figure .lc[viewBox^="0 0 640"] { max-width: none; }
figure.small .lc { max-width: 30rem; }
figure > details { border: 0; } figure > details > summary { color: var(--soft); font-size: .85rem; }
/* A shade at an edge behind which there is more. */
.scroll { overflow-x: auto; background: linear-gradient(to right, var(--paper) 40%, transparent) left / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 40%, transparent) right / 3rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) left / .8rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) right / .8rem 100% no-repeat scroll; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; overflow-wrap: normal; }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom; }
th, td { padding: .32rem 1rem .32rem 0; border-bottom: 1px solid var(--line); } td { vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.n { white-space: nowrap; }
td:not(.n) { overflow-wrap: anywhere; min-width: 6rem; } td:first-child:not(.n) { min-width: 8.5rem; }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; } summary { cursor: pointer; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.rule { display: inline-grid; grid-template-columns: minmax(0, 12rem) minmax(0, 1fr) 9rem; gap: .2rem 1rem; align-items: center;
  width: calc(100% - 1.4rem); vertical-align: middle; }
.facts { color: var(--soft); font-size: .88rem; } .facts em { font-style: normal; margin-left: .8rem; } .warn { color: var(--warn); }
.track { height: .6rem; border-radius: 3px; background: color-mix(in srgb, var(--line) 60%, transparent); overflow: hidden; }
.track i { display: block; height: 100%; border-radius: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; color: var(--soft); margin: .4rem 0 0; }
.legend i { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .4rem; }
code { font: .92em ui-monospace, monospace; } .key { color: var(--soft); font-size: .85rem; margin: .7rem 0 .25rem; }
.ex, .two { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: .6rem; }
.two { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
pre { font: .82rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 .5rem; padding: .6rem .8rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 6px; max-height: 15rem; overflow-y: auto; }
.stayed pre { border-color: var(--keep); } .command { display: inline-block; } bdi { display: block; }
dt { font-weight: 600; font-size: .9rem; } dd { margin: 0 0 .4rem; color: var(--soft); font-size: .9rem; }
.hashes td:last-child { font: .75rem ui-monospace, monospace; }
@media (min-width: 84rem) { .page { max-width: 76rem; grid-template-columns: 11rem minmax(0, 1fr); column-gap: 3.5rem; }
  header, main { grid-column: 2; } nav { grid-column: 1; grid-row: 1 / span 2; position: sticky; top: 2.5rem; align-self: start;
  flex-direction: column; gap: .45rem; } }
@media (max-width: 42rem) { .page { padding-top: 1.4rem; } .steps { grid-template-columns: 1fr 1fr; }
  .steps div:nth-child(3) { border-left: 0; } .steps div:nth-child(n+3) { border-top: 1px solid var(--line); }
  .steps b { font-size: 1.35rem; } .ex, .two { grid-template-columns: minmax(0, 1fr); }
  .rule { grid-template-columns: minmax(0, 1fr); } h1 { font-size: 1.6rem; } .facts em { display: block; margin: 0; }
  .lc[viewBox^="0 0 520"] text, .lc[viewBox^="0 0 480"] text { font-size: 14.5px; } .lc[viewBox^="0 0 640"] text { font-size: 17px; } }
@media print { :root, .lc { color-scheme: light !important; } body { font-size: 11pt; } .page { display: block; max-width: none; padding: 0; }
  nav { display: none; } pre { max-height: none; } .scroll { overflow: visible; } figure .lc { min-width: 0 !important; }
  figure, .ex, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""
