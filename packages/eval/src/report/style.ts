// The look of the report: system fonts, light and dark, nothing loaded from anywhere.
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5d6778; --paper: #fff; --line: #dfe4ea; --blank: #f4f6f8;
  --accent: #1f6feb; --print: #c2410c; --win: #1a7f8e; --loss: #b4552d; --tie: #8a94a3; --band: #1f6feb22;
  --c0: #0b7285; --c1: #d9480f; --c2: #5f3dc4; --c3: #2b8a3e; --c4: #c2255c; --c5: #1864ab; --c6: #8d6a00; --c7: #495057; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa5b5; --paper: #14181f; --line: #2c333e; --blank: #1c222b;
  --accent: #6ea8fe; --print: #ff9b6b; --win: #4cc3d3; --loss: #f08c5a; --tie: #6f7a8a; --band: #6ea8fe2b;
  --c0: #4cc3d3; --c1: #ff922b; --c2: #b197fc; --c3: #69db7c; --c4: #f783ac; --c5: #74c0fc; --c6: #ffd43b; --c7: #ced4da; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 26px; margin: 8px 0 4px; } h2 { font-size: 20px; margin: 40px 0 8px; padding-top: 16px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 24px 0 4px; } p { max-width: 74ch; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; } svg { display: block; max-width: 100%; height: auto; margin: 8px 0; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; margin: 8px 0; }
th { text-align: left; font-weight: 600; color: var(--soft); } th, td { padding: 3px 12px 3px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; } td.no { color: var(--loss); font-weight: 600; } td.yes { color: var(--win); } td.wrap { white-space: normal; min-width: 16em; } td.text { white-space: normal; min-width: 6em; vertical-align: top; }
svg .tick, svg .axis { fill: var(--soft); } svg .tick { font-size: 11px; } svg .value { font-variant-numeric: tabular-nums; } svg .cell { font-size: 12px; }
.grid { stroke: var(--line); } .rule { stroke: var(--soft); stroke-dasharray: 4 3; } .interval { stroke: var(--accent); stroke-width: 7; opacity: .28; stroke-linecap: round; }
.span { stroke: var(--soft); stroke-width: 1.4; } .dot { fill: var(--accent); } .printed { fill: none; stroke: var(--print); stroke-width: 1.6; } .hover { fill: transparent; }
.band { fill: var(--band); } .series { fill: none; stroke-width: 2; } .leader { stroke: var(--line); } .blank { fill: var(--blank); }
.win { fill: var(--win); } .loss { fill: var(--loss); } rect.first { fill: var(--win); opacity: .55; } rect.second { fill: var(--loss); opacity: .5; } rect.tie { fill: var(--tie); opacity: .4; }
${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `polyline.c${i} { stroke: var(--c${i}); } svg text.c${i} { fill: var(--c${i}); }`).join("\n")}
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px; } .key svg { display: inline-block; margin: 0 5px 0 0; vertical-align: middle; }
@media print { main { max-width: none; } h2 { break-after: avoid; } svg, table { break-inside: avoid; } }
`;
