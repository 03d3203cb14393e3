/** The page's style. Colours of text and of what the map must show differ by at least 4.5 and 3 to 1. */
import {blockClasses} from './page/format.ts';

const light = `
	--background: #f7f6f3;
	--surface: #ffffff;
	--text: #1c1e22;
	--muted: #5d6068;
	--line: #deddd8;
	--link: #1d5fa8;
	--accent: #d4006a;
	--finding: #c8102e;
	--warning: #8a5a00;
	--focus: #1d5fa8;
	--class-free: #e6e4de;
	--class-unknown: #85827a;
	--class-file: #2f7d5b;
	--class-directory: #c2571a;
	--class-map: #a24fb0;
	--class-system: #0d8484;
	--class-journal: #b57600;
	--class-inodes: #2a63a6;
	--class-bitmaps: #3f8bd0;
	--class-descriptors: #5a4fc4;
	--class-superblock: #16181d;
	--class-unreadable: #c8102e;
`;

const dark = `
	--background: #131519;
	--surface: #1b1e23;
	--text: #e9eaec;
	--muted: #a2a7b0;
	--line: #33373f;
	--link: #86bcf5;
	--accent: #ff5fae;
	--finding: #ff6b70;
	--warning: #e9b450;
	--focus: #86bcf5;
	--class-free: #31353c;
	--class-unknown: #8d929c;
	--class-file: #4cae82;
	--class-directory: #ee8a48;
	--class-map: #cf80dd;
	--class-system: #38bcbc;
	--class-journal: #e5b038;
	--class-inodes: #5a9fe8;
	--class-bitmaps: #93c9fb;
	--class-descriptors: #9a95f2;
	--class-superblock: #ffffff;
	--class-unreadable: #ff6b70;
`;

const classRules = blockClasses
	.map(
		({id}) => `.back-${id} {background: var(--class-${id});}
.fill-${id} {fill: var(--class-${id});}`,
	)
	.join('\n');

export const pageStyle = `
:root {color-scheme: light; ${light}}
@media (prefers-color-scheme: dark) {
	:root {color-scheme: dark; ${dark}}
}
:root[data-theme='light'] {color-scheme: light; ${light}}
:root[data-theme='dark'] {color-scheme: dark; ${dark}}

* {box-sizing: border-box;}
html {font: 16px/1.5 system-ui, sans-serif; background: var(--background); color: var(--text); -webkit-text-size-adjust: 100%;}
body {margin: 0 auto; padding: 0 1.5rem 4rem; max-width: 76rem; overflow-wrap: break-word;}
[hidden] {display: none !important;}
h1, h2, h3 {line-height: 1.2; font-weight: 600; text-wrap: balance;}
h1 {font-size: 1.75rem; margin: 0; overflow-wrap: anywhere;}
h2 {font-size: 1.2rem; margin: 0 0 .75rem;}
h3 {font-size: 1rem; margin: 1.5rem 0 .5rem;}
p {margin: 0 0 .75rem; max-width: 44rem;}
a, .link {color: var(--link);}
.muted {color: var(--muted);}
.skip {position: absolute; left: -100vw;}
.skip:focus {left: 1rem; top: 1rem; background: var(--surface); padding: .5rem 1rem; z-index: 9;}
.visually-hidden {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;}
:focus-visible {outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px;}

header {display: flex; gap: 1rem; align-items: flex-start; justify-content: space-between; padding: 2.5rem 0 1.5rem;}
header p {margin: .35rem 0 0; color: var(--muted);}
section {background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.5rem 1.5rem; margin: 0 0 1.25rem;}
.pair {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1.25rem; margin-bottom: 1.25rem;}
.pair > section {margin: 0; min-width: 0;}

button {font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--line); border-radius: 7px; padding: .35rem .75rem; min-height: 2.25rem; cursor: pointer;}
button:hover:not(:disabled) {border-color: var(--muted);}
button:disabled {color: var(--muted); opacity: .55; cursor: default;}
button.link {border: 0; background: none; padding: 0; min-height: 0; text-align: left; color: var(--link); text-decoration: underline; text-decoration-color: color-mix(in srgb, currentColor 35%, transparent); text-underline-offset: 2px; overflow-wrap: anywhere;}
button.link:hover:not(:disabled) {text-decoration-color: currentColor;}
button.link:disabled {color: inherit; opacity: 1; text-decoration: none;}

.figures {display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1rem 2rem; margin: 0;}
.figures dt {color: var(--muted); font-size: .875rem;}
.figures dd {margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3;}
.figures dd small {display: block; font-size: .8125rem; font-weight: 400; color: var(--muted);}
.share {display: block; width: 100%; height: 14px; border-radius: 4px; margin: 1.25rem 0 0; background: var(--class-free);}

.tools {display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: end; margin-bottom: .75rem;}
.finder {position: relative; flex: 1 1 18rem; min-width: 0;}
.finder label {display: block; font-size: .875rem; color: var(--muted); margin-bottom: .2rem;}
input[type='search'] {font: inherit; width: 100%; min-height: 2.25rem; padding: .35rem .7rem; color: inherit; background: var(--background); border: 1px solid var(--muted); border-radius: 7px;}
#results {position: absolute; z-index: 5; left: 0; right: 0; margin: .25rem 0 0; padding: .25rem; list-style: none; max-height: 20rem; overflow: auto; background: var(--surface); border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 8px 24px rgb(0 0 0 / .18);}
#results li {display: flex; gap: 1rem; justify-content: space-between; padding: .35rem .6rem; border-radius: 5px; cursor: pointer;}
#results li[aria-selected='true'], #results li:hover {background: var(--background);}
#results .size {color: var(--muted); white-space: nowrap; font-variant-numeric: tabular-nums;}
.path {overflow-wrap: anywhere;}
.zoom {display: flex; gap: .35rem;}
.zoom button {min-width: 2.5rem;}
.stage {position: relative; margin: 0;}
#map {display: block; width: 100%; height: min(30rem, 62vh); touch-action: pan-y; cursor: crosshair; border-radius: 4px;}
#map:focus-visible {outline-offset: 5px;}
#tip {position: absolute; z-index: 4; left: 0; top: 0; max-width: min(24rem, 90%); display: grid; gap: .15rem; padding: .5rem .7rem; font-size: .8125rem; line-height: 1.4; pointer-events: none; background: var(--text); color: var(--surface); border-radius: 7px; box-shadow: 0 4px 14px rgb(0 0 0 / .25);}
#where {font-variant-numeric: tabular-nums; color: var(--muted); font-size: .875rem; margin: .6rem 0 0;}
#where, .hint {max-width: none;}
.hint {font-size: .8125rem; color: var(--muted); margin: .15rem 0 0;}
#legend {display: flex; flex-wrap: wrap; gap: .4rem; margin: 1rem 0 0; padding: 0; border: 0; min-width: 0;}
#legend legend {font-size: .875rem; color: var(--muted); margin-bottom: .35rem; padding: 0;}
#legend button {display: inline-flex; align-items: center; gap: .45rem; font-size: .8125rem; padding: .15rem .65rem .15rem .5rem; min-height: 2rem; border-radius: 1rem;}
#legend button[aria-pressed='false'] {color: var(--muted); background: none; border-style: dashed; text-decoration: line-through;}
#legend button[aria-pressed='false'] .swatch {opacity: .25;}
#legend small {color: var(--muted); font-size: inherit; font-variant-numeric: tabular-nums;}
.swatch {width: .8rem; height: .8rem; border-radius: 3px; flex: none; box-shadow: inset 0 0 0 1px color-mix(in srgb, var(--text) 18%, transparent);}
.key {display: inline-flex; align-items: center; gap: .45rem; font-size: .8125rem; color: var(--muted); padding: .15rem .5rem;}
.key .mark {color: var(--finding);}
#file {margin-top: 1.25rem; padding: 1rem 1.25rem; border-radius: 8px; background: var(--background); border-left: 4px solid var(--accent);}
#file header {padding: 0; align-items: baseline;}
#file h3 {margin: 0; overflow-wrap: anywhere;}
#file .scroll {max-height: 16rem;}
.alive .needs-script, .needs-script + noscript {display: none;}

.scroll {overflow: auto; margin: 0 -.25rem; padding: 0 .25rem;}
table {border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums;}
caption {text-align: left; color: var(--muted); font-size: .875rem; padding: 0 0 .5rem;}
th, td {text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);}
thead th {font-weight: 500; color: var(--muted); white-space: nowrap;}
tbody tr:last-child > * {border-bottom: 0;}
tbody th {font-weight: 500;}
.bars tbody th, td > code, .where {white-space: nowrap;}
.bars tbody th {padding-right: 1.25rem;}
.number {text-align: right; white-space: nowrap;}
td.wide, th.wide {width: 99%; overflow-wrap: anywhere;}
.features th {font-family: ui-monospace, monospace; font-size: .8125rem; white-space: nowrap;}
.bar {display: block; width: 100%; min-width: 6rem; height: 1.1rem; border-radius: 3px;}
.bar rect {fill: var(--class-file);}
.bar.space rect {fill: var(--class-inodes);}
details > summary {cursor: pointer; padding: .35rem 0; color: var(--link); width: fit-content;}
.severity {font-weight: 600; white-space: nowrap;}
.severity.error {color: var(--finding);}
.severity.warning {color: var(--warning);}
code {font: .8125rem ui-monospace, monospace; overflow-wrap: anywhere;}
.notice {border-left: 4px solid var(--warning);}
.notice.bad {border-left-color: var(--finding);}
.pager {display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; margin-top: .75rem;}
footer {color: var(--muted); font-size: .8125rem; padding-top: .5rem;}

${classRules}

@media (max-width: 40rem) {
	body {padding: 0 .75rem 3rem;}
	header {padding: 1.25rem .25rem 1rem;}
	section {padding: 1rem; border-radius: 8px;}
	h1 {font-size: 1.35rem;}
	.figures {grid-template-columns: 1fr 1fr; gap: .75rem 1rem;}
	.figures dd {font-size: 1.15rem;}
	#map {height: 56vh;}
	.zoom button, #legend button {min-height: 2.75rem;}
	.features th {white-space: normal;}
	.features tr {display: grid; padding: .35rem 0; border-bottom: 1px solid var(--line);}
	.features th, .features td {border: 0; padding: 0;}
	.features thead {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);}
}
@media print {
	#map-section, #theme, .pager {display: none;}
	section {break-inside: avoid-page; border: 0; padding: 0;}
}
@media (forced-colors: active) {
	.swatch, .bar rect, .share rect {forced-color-adjust: none;}
}
`;
