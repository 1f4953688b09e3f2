"""How the page looks: on a wide screen, on a phone and on paper."""

from emo_jax import palette

CSS = f""":root {{
  color-scheme: light;
  --ink: #1a1c20; --soft: #4b4f58; --line: #d5d8de; --faint: #f5f6f8; --link: #0a4f86;
  --warn: #fff3dc; --warn-line: #a85b00; --shade: {palette.SKY_BLUE};
}}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }}
body {{
  margin: 0; color: var(--ink); background: #fff; overflow-wrap: break-word;
  font: 1rem/1.55 -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial,
    sans-serif;
}}
a {{ color: var(--link); text-underline-offset: .15em; }}
a:focus-visible, .box:focus-visible, main:focus-visible {{
  outline: 3px solid var(--link); outline-offset: 2px;
}}
main:focus:not(:focus-visible) {{ outline: none; }}
.skip {{
  position: absolute; left: 1rem; top: -4rem; padding: .5rem 1rem; background: var(--ink);
  color: #fff; z-index: 9;
}}
.skip:focus {{ top: 0; }}
.hidden {{
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}}
header, .columns {{ max-width: 84rem; margin: 0 auto; padding: 0 1.5rem; }}
header {{ padding-top: 2.5rem; }}
h1 {{
  font-size: clamp(1.5rem, 1.1rem + 1.8vw, 2.25rem); line-height: 1.2; letter-spacing: -.015em;
  margin: 0 0 1.25rem; max-width: 30em; text-wrap: balance;
}}
h2 {{
  font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; margin: 3.5rem 0 1rem;
  padding-top: 1rem; border-top: 2px solid var(--ink);
}}
h3 {{ font-size: 1.125rem; line-height: 1.35; margin: 2.5rem 0 .75rem; text-wrap: balance; }}
p, main > section > ul {{ max-width: 44rem; margin: 0 0 1rem; }}
#summary + p {{ font-size: 1.125rem; }}
main > section > ul {{ padding-left: 1.2rem; }}
main > section > ul li {{ margin-bottom: .4rem; }}
code {{ font: .9em ui-monospace, "SF Mono", Consolas, "Liberation Mono", monospace; }}
.warning {{
  max-width: none; margin: 0 0 .5rem; padding: .6rem .9rem; background: var(--warn);
  border-left: 4px solid var(--warn-line); font-weight: 600;
}}
nav {{ margin-top: 1.5rem; font-size: .9375rem; line-height: 1.35; }}
nav h2 {{ font-size: 1rem; margin: 0 0 .5rem; padding: 0; border: 0; letter-spacing: 0; }}
nav ol {{ list-style: none; margin: 0; padding: 0; }}
nav ol ol {{ margin: .15rem 0 .5rem; padding-left: .9rem; font-size: .875rem; }}
nav a {{ overflow-wrap: anywhere; display: inline-block; padding: .2rem 0; text-decoration: none; }}
nav a:hover {{ text-decoration: underline; }}
nav ol ol a {{ color: var(--soft); }}
main {{ min-width: 0; padding-bottom: 5rem; }}
main > section:first-child > h2 {{ margin-top: 1.5rem; }}
figure {{ margin: 0 0 2rem; min-width: 0; }}
figcaption {{ font-size: .9375rem; line-height: 1.45; margin: 0 0 .5rem; max-width: 52rem; }}
sup {{ font-size: .75rem; line-height: 0; font-weight: 400; }}
.box {{
  overflow-x: auto; max-width: 100%;
  background:
    linear-gradient(to right, #fff 30%, #fff0) 0 0 / 2.5rem 100%,
    linear-gradient(to left, #fff 30%, #fff0) 100% 0 / 2.5rem 100%,
    linear-gradient(to right, #0003, #0000) 0 0 / .8rem 100%,
    linear-gradient(to left, #0003, #0000) 100% 0 / .8rem 100%;
  background-repeat: no-repeat; background-attachment: local, local, scroll, scroll;
}}
table {{
  border-collapse: separate; border-spacing: 0; font-size: .875rem; line-height: 1.35;
  font-variant-numeric: tabular-nums lining-nums;
}}
.grid table {{
  border-top: 1.5px solid var(--ink); border-bottom: 1.5px solid var(--ink); min-width: 60%;
}}
th, td {{
  padding: .4rem .5rem; text-align: left; vertical-align: baseline; font-weight: 400;
  border-bottom: 1px solid var(--line);
}}
tbody tr:last-child > *, tbody th[scope=rowgroup] {{ border-bottom-color: transparent; }}
thead th.number {{ white-space: normal; }}
.short {{ white-space: nowrap; }}
thead th {{ font-weight: 600; vertical-align: bottom; border-bottom-color: var(--ink); }}
thead .group {{ text-align: center; border-bottom-color: var(--line); }}
tr.new > * {{ border-top: 1px solid #8a8f99; }}
th.first {{
  position: sticky; left: 0; background: #fff; min-width: 9rem; max-width: 19rem; z-index: 1;
}}
.grid td:last-child:not(.number) {{ min-width: 8.75rem; }}
.number {{ text-align: right; white-space: nowrap; }}
.small {{ display: block; font-size: .75rem; color: var(--soft); white-space: nowrap; }}
.notes {{
  margin: .6rem 0 0; padding-left: 1.4rem; max-width: 52rem; font-size: .8125rem;
  line-height: 1.45; color: var(--soft);
}}
.notes li:target {{ background: var(--warn); color: var(--ink); }}
.pictures {{ display: flex; flex-wrap: wrap; gap: 1.5rem 1.25rem; align-items: flex-end; }}
.picture {{ max-width: 100%; margin-bottom: 1rem; display: flex; flex-direction: column-reverse; }}
.picture figcaption {{ width: 0; min-width: 100%; color: var(--soft); font-size: .875rem; }}
img {{ display: block; max-width: none; }}
.matrix th, .matrix td {{ padding: .3rem; border: 0; }}
.matrix th.first {{ min-width: 4.75rem; }}
.matrix thead th {{ font-size: .75rem; }}
.matrix tbody td:not(.sum) {{
  background: color-mix(in srgb, var(--shade) var(--share, 0%), #fff);
  box-shadow: inset 0 0 0 1px var(--line);
}}
.matrix .sum {{ color: var(--soft); }}
@media (min-width: 68rem) {{
  .columns {{ display: grid; grid-template-columns: 14rem minmax(0, 1fr); gap: 2.5rem; }}
  nav {{
    position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto;
    padding: 1.5rem 0;
  }}
}}
@media (max-width: 67.99rem) {{
  nav ol ol li {{ display: inline-block; margin-right: .9rem; }}
  nav .rest {{ display: none; }}
}}
@media (max-width: 40rem) {{
  header, .columns {{ padding-left: 1rem; padding-right: 1rem; }}
  th, td {{ padding: .4rem .5rem; }}
  th.first {{ min-width: 7rem; max-width: 9.5rem; }}
}}
@page {{ size: A4 landscape; margin: 12mm; }}
@media print {{
  body {{ font-size: 10pt; }}
  header, .columns {{ max-width: none; padding: 0; display: block; }}
  nav, .skip {{ display: none; }}
  table {{ font-size: 8pt; }}
  .small, .notes {{ font-size: 7pt; }}
  th, td {{ padding: 2pt 4pt; }}
  .box {{ overflow: visible; background: none; }}
  th.first {{ position: static; }}
  .short {{ white-space: normal; }}
  .grid td:last-child:not(.number) {{ min-width: 0; }}
  .grid td:not(.number) {{ overflow-wrap: anywhere; }}
  h2, h3, figcaption {{ break-after: avoid; }}
  tr, .picture, .warning {{ break-inside: avoid; }}
  .matrix td, .warning {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
  img {{ max-width: 100%; height: auto; }}
}}
"""
