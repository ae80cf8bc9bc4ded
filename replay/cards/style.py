"""The style of `card.html`: light and dark, from a phone's width on."""

STYLE = """
:root { --ground: #ffffff; --panel: #f4f5f7; --ink: #1b1f24; --soft: #57606a; --edge: #d0d7de;
  --link: #0b57d0; --good: #176c2c; --bad: #b3261e; --wary: #8a5a00; --plain: #2f5d8a; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --panel: #1f242a; --ink: #e8eaed; --soft: #a8b1bb; --edge: #3a424b;
    --link: #8ab4f8; --good: #6fcf86; --bad: #ff8a80; --wary: #f0b849; --plain: #8fb8de; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--edge); }
p { margin: .6rem 0; max-width: 46rem; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .875rem; }
pre { background: var(--panel); padding: .8rem; border-radius: .4rem; white-space: pre-wrap; }
a { color: var(--link); }
.kind { margin: 0; color: var(--soft); font-size: .875rem; }
.spec { margin: .2rem 0 .6rem; color: var(--soft); }
.headline { font-size: 1.15rem; font-weight: 600; margin: .6rem 0; padding-left: .8rem;
  border-left: .3rem solid var(--plain); }
.headline.good { border-color: var(--good); }
.headline.bad { border-color: var(--bad); }
.headline.wary { border-color: var(--wary); }
.warning { margin: .3rem 0; color: var(--wary); font-weight: 600; }
.tiles { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.tiles li { background: var(--panel); border-radius: .5rem; padding: .6rem .8rem; }
.tiles span { display: block; }
.tiles .label, .tiles .note { color: var(--soft); font-size: .8125rem; line-height: 1.35; }
.tiles .figure { font-size: 1.35rem; font-weight: 650; line-height: 1.35; }
.tiles .good .figure, .marks .good .said { color: var(--good); }
.tiles .bad .figure, .marks .bad .said { color: var(--bad); }
.tiles .wary .figure, .marks .wary .said { color: var(--wary); }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .2rem 1rem; font-size: .9375rem; }
nav a { display: inline-block; padding: .2rem 0; }
dl.facts { margin: .6rem 0; display: grid; grid-template-columns: 12rem 1fr; gap: .35rem 1rem; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .875rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid var(--edge); font-weight: 400; }
th, td { overflow-wrap: break-word; }
thead th { color: var(--soft); }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 7rem; }
figure { margin: 1rem 0; }
figcaption { color: var(--soft); font-size: .875rem; }
.marks { list-style: none; margin: .4rem 0 0; padding: 0; }
.marks li { display: grid; grid-template-columns: minmax(10rem, 22rem) 1fr 18rem;
  grid-template-areas: "label drawing said"; gap: 0 1rem; align-items: center;
  padding: .25rem 0; border-bottom: 1px solid var(--edge); font-size: .875rem; }
.marks .label { grid-area: label; }
.marks .said { grid-area: said; }
.marks svg { grid-area: drawing; width: 100%; height: 1.1rem; display: block; }
svg line { vector-effect: non-scaling-stroke; stroke: var(--plain); }
svg .span { stroke-width: 3px; }
svg .point { stroke-width: 5px; }
svg .zero { stroke: var(--soft); stroke-width: 1px; stroke-dasharray: 3 3; }
.good svg .span, .good svg .point { stroke: var(--good); }
.bad svg .span, .bad svg .point { stroke: var(--bad); }
.wary svg .span, .wary svg .point { stroke: var(--wary); }
.axis { display: flex; justify-content: space-between; max-width: none; color: var(--soft);
  font-size: .8125rem; margin: .2rem 19rem 0 min(23rem, 33%); }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--link); }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: .4rem; }
footer { margin-top: 2rem; color: var(--soft); font-size: .875rem; }
@media (max-width: 60rem) {
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: .5rem; }
  .marks li { grid-template-columns: 1fr;
    grid-template-areas: "label" "drawing" "said"; padding: .5rem 0; }
  .axis { margin: .2rem 0 0; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td, caption { display: block; }
  tbody tr { padding: .5rem 0; border-bottom: 1px solid var(--edge); }
  tbody th, tbody td { border: 0; padding: .1rem 0; overflow-wrap: anywhere; }
  tbody td { display: flex; justify-content: space-between; gap: 1rem; }
  tbody td::before { content: attr(data-label); color: var(--soft); flex: 0 0 38%; }
}
@media print { nav { display: none; } }
"""
