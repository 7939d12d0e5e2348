/** The report's style sheet: system fonts and colours of its own for light and dark. */
export const style = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#5c6675;--line:#dfe3e9;--accent:#3457d5;--hover:#eef1fb;
--completed:#0b8a5f;--promoted:#3457d5;--outranked:#939dab;--stopped:#c77700;--diverged:#cf2f3d;--failed:#8a3ab9;--unfinished:#2b8cb3}
@media (prefers-color-scheme:dark){:root{--bg:#10141b;--card:#171d26;--ink:#e4e9f1;--soft:#96a1b2;--line:#2a323f;--accent:#8ea6ff;--hover:#1f2838;
--completed:#34c98f;--promoted:#8ea6ff;--outranked:#6d7889;--stopped:#f0a73a;--diverged:#ff6b74;--failed:#c58af0;--unfinished:#5cc0e6}}
*{box-sizing:border-box}
html{scroll-padding-top:3.5rem}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
header{position:sticky;top:0;z-index:5;display:flex;gap:1.5rem;align-items:center;padding:.55rem max(1rem,calc(50vw - 544px));background:var(--card);border-bottom:1px solid var(--line);overflow-x:auto}
.brand{margin:0;font-weight:700;letter-spacing:-.01em}
nav{display:flex;gap:1.1rem;white-space:nowrap;font-size:.87rem}
nav a{color:var(--soft);text-decoration:none}nav a:hover{color:var(--accent)}
main{max-width:1120px;margin:0 auto;padding:1.75rem 1rem 1rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.2rem 1.4rem 1.4rem;margin:0 0 1.1rem}
section.headline{background:none;border:0;padding:0 0 .4rem}
h1{margin:0;font-size:1.9rem;line-height:1.2;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{margin:0 0 .6rem;font-size:1.08rem;letter-spacing:-.01em}h3{margin:1.1rem 0 .2rem;font-size:.95rem}
small{font-size:.8rem;color:var(--soft);font-weight:400}
.quiet{color:var(--soft);font-size:.88rem;margin:0 0 .7rem}h2+.quiet{margin-top:-.35rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.ending{margin:.2rem 0 1.1rem;color:var(--soft)}.ending::before{content:"";display:inline-block;width:.55rem;height:.55rem;border-radius:50%;background:var(--stopped);margin-right:.5rem}
.ended-finished::before,.ended-target::before{background:var(--completed)}
.facts{display:grid;grid-template-columns:1.5fr 1.2fr 1fr 1fr;gap:.8rem;margin:0}
.facts>div{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.8rem 1.1rem}
.facts .main{border-color:var(--completed);box-shadow:inset 3px 0 0 var(--completed)}
dt{color:var(--soft);font-size:.83rem;overflow-wrap:anywhere}dd{margin:0;font-size:1.65rem;font-weight:650;line-height:1.25;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
dd span{font-size:1rem;font-weight:400;color:var(--soft);letter-spacing:0}dd small{display:block;letter-spacing:0;line-height:1.4;margin-top:.15rem}
.facts.small{grid-template-columns:1fr 1fr;margin-bottom:1rem}.facts.small dd{font-size:1.25rem}
@media (max-width:760px){.facts{grid-template-columns:1fr 1fr}section{padding:1rem}}
.meter{height:8px;border-radius:4px;margin:1rem 0 .8rem;overflow:hidden;background:repeating-linear-gradient(135deg,color-mix(in srgb,var(--completed) 45%,transparent) 0 3px,color-mix(in srgb,var(--completed) 16%,transparent) 3px 7px)}
.meter i{display:block;height:100%;background:var(--accent)}
.chips{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:0 0 .6rem;font-size:.87rem;color:var(--soft)}.chip{white-space:nowrap}.headline .chips{margin-bottom:.7rem}.facts+.chips{margin-top:1rem}
.code{border:1px solid var(--line);border-radius:9px;overflow:hidden}
.bar{display:flex;flex-wrap:wrap;gap:.8rem;align-items:center;padding:.45rem .6rem .45rem .9rem;border-bottom:1px solid var(--line);background:var(--bg)}.bar .quiet{margin:0 auto 0 0;font-variant-numeric:tabular-nums}
pre{margin:0;padding:.8rem .9rem;overflow:auto;max-height:60vh;font:13px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
button,input{font:inherit;color:inherit}
#copy{border:1px solid var(--accent);background:var(--accent);color:var(--card);border-radius:7px;padding:.15rem .9rem;cursor:pointer;font-size:.87rem;font-weight:600;min-width:5rem}
.switch{display:inline-flex;border:1px solid var(--line);border-radius:7px;padding:0;margin:0;overflow:hidden;font-size:.87rem}
.switch label{position:relative;padding:.15rem .7rem;cursor:pointer;color:var(--soft)}.switch input{position:absolute;opacity:0;inset:0;margin:0;cursor:pointer}
.switch label:has(:checked){background:var(--card);color:var(--ink);font-weight:600}.switch label:has(:focus-visible){box-shadow:inset 0 0 0 2px var(--accent)}
.toggles{display:flex;flex-wrap:wrap;gap:.45rem;margin-bottom:.4rem}
.toggle{position:relative;border:1px solid var(--line);border-radius:99px;padding:.1rem .8rem .1rem .65rem;font-size:.87rem;cursor:pointer;user-select:none}
.toggle:hover{background:var(--hover)}.toggle input{position:absolute;opacity:0;inset:0;margin:0;cursor:pointer}
.toggle:has(input:not(:checked)){color:var(--soft);text-decoration:line-through;background:none}.toggle:has(input:not(:checked)) i{opacity:.25}.toggle:has(:focus-visible){outline:2px solid var(--accent);outline-offset:1px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
.scroll{overflow:auto}.tall{max-height:75vh}
.plot svg{display:block;width:100%;min-width:640px;height:auto}
svg text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}svg .axis{font-size:12.5px}
.grid{stroke:var(--line);stroke-width:1}.rung{stroke-dasharray:2 3}.same{stroke:var(--soft);stroke-dasharray:5 4}
polyline{fill:none;stroke:currentColor;stroke-width:1.3;stroke-linejoin:round;stroke-opacity:.75}
marker{overflow:visible}marker *{fill:currentColor}marker .stroke{fill:none;stroke:currentColor;stroke-width:1.5}
.f-completed{color:var(--completed)}.f-outranked{color:var(--outranked)}.f-stopped{color:var(--stopped)}.f-diverged{color:var(--diverged)}.f-failed{color:var(--failed)}.f-unfinished{color:var(--unfinished)}
.f-completed polyline{marker-end:url(#m-completed);stroke-width:1.6;stroke-opacity:.9}.f-outranked polyline{marker-end:url(#m-outranked);stroke-opacity:.55}.f-stopped polyline{marker-end:url(#m-stopped)}
.f-diverged polyline{marker-end:url(#m-diverged)}.f-failed polyline{marker-end:url(#m-failed)}.f-unfinished polyline{marker-end:url(#m-unfinished);stroke-dasharray:4 3}
.dense polyline{stroke-width:.9!important;stroke-opacity:.4!important}.dense marker *{opacity:.6}.curves.curves polyline.best{stroke-width:3!important;stroke-opacity:1!important}
.curves.lit.lit polyline{opacity:.1!important}.curves.curves.lit polyline.on{opacity:1!important;stroke-opacity:1!important;stroke-width:3!important}
.off{display:none}
[data-t]{cursor:pointer}
.figure{display:grid;grid-template-columns:minmax(280px,460px) minmax(220px,1fr);gap:1.6rem;align-items:start}@media (max-width:760px){.figure{grid-template-columns:1fr}}
.scatter{width:100%;height:auto}.scatter circle{fill:currentColor;fill-opacity:.55;stroke:currentColor}.tick{stroke:currentColor;stroke-width:1.6;opacity:.6}
.scatter circle.on{fill-opacity:1;stroke:var(--ink);stroke-width:2}.tick.on{stroke:var(--ink);stroke-width:3;opacity:1}
i[class^="d-"]{display:inline-block;width:10px;height:10px;border-radius:50%;color:var(--outranked);border:2px solid currentColor;vertical-align:baseline;flex:none}
.chip i,.toggle i,td>i{margin-right:.42rem}
i.d-completed{color:var(--completed);background:currentColor}i.d-promoted{color:var(--promoted);background:currentColor}
i.d-outranked{color:var(--outranked)}
i.d-stopped{color:var(--stopped);border:0;border-radius:0;background:linear-gradient(currentColor,currentColor) center/3px 100% no-repeat}
i.d-diverged{color:var(--diverged);border:0;border-radius:0;background:linear-gradient(45deg,transparent 41%,currentColor 41% 59%,transparent 59%),linear-gradient(-45deg,transparent 41%,currentColor 41% 59%,transparent 59%)}
i.d-failed{color:var(--failed);border-radius:2px;background:currentColor}i.d-unfinished{color:var(--unfinished);border-style:dotted}
.dots{display:flex;flex-wrap:wrap;gap:4px;max-width:174px;padding:3px;margin:-3px -3px 4px}
.dots i.top{box-shadow:0 0 0 2px var(--card),0 0 0 4px var(--completed)}.dots i.on{box-shadow:0 0 0 2px var(--card),0 0 0 4px var(--ink)}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.34rem .8rem .34rem 0;text-align:left;vertical-align:top;white-space:nowrap}
td{max-width:22rem;overflow:hidden;text-overflow:ellipsis}.wrap{white-space:normal;min-width:14rem;overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:500;border-bottom:1px solid var(--line)}tbody tr+tr>*{border-top:1px solid var(--line)}
tbody th{font-weight:600}.n{text-align:right}.n.wrap{min-width:9rem;max-width:13rem}
.brackets td{min-width:9rem}.brackets th,.brackets td{padding:.6rem 1.8rem .6rem 0;overflow:visible}.brackets small{display:block;line-height:1.4;white-space:normal;max-width:164px}
.tall thead th{position:sticky;top:0;background:var(--card);z-index:1;border:0;box-shadow:inset 0 -1px var(--line)}
#table tbody tr:hover{background:var(--hover)}#table tr.best th{color:var(--completed)}#table tr.found{background:var(--hover);box-shadow:inset 3px 0 var(--accent)}#table th:first-child{padding-left:.6rem}
th button{all:unset;position:relative;cursor:pointer;white-space:nowrap}th button:hover{color:var(--accent)}th button:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
th[aria-sort]{color:var(--ink)}th button::after{position:absolute;left:100%;padding-left:.1em}th[aria-sort=ascending] button::after{content:"\\2191";content:"\\2191"/""}th[aria-sort=descending] button::after{content:"\\2193";content:"\\2193"/""}
.filter{display:flex;gap:1rem;align-items:center;margin:0 0 .6rem;font-size:.88rem;color:var(--soft)}.filter input{background:var(--bg);border:1px solid var(--line);border-radius:7px;padding:.2rem .6rem;margin-left:.4rem;color:var(--ink);width:15rem;max-width:60vw}
#tip{position:fixed;z-index:10;left:0;top:0;max-width:min(24rem,90vw);background:var(--card);border:1px solid var(--line);border-radius:9px;box-shadow:0 6px 24px rgb(0 0 0/.18);padding:.6rem .8rem;font-size:.84rem;pointer-events:none}
#tip b{display:block}#tip p{margin:.05rem 0 .35rem;color:var(--soft)}#tip dl{display:grid;grid-template-columns:auto 1fr;gap:0 .8rem;margin:0}#tip dt,#tip dd{font-size:.82rem;font-weight:400;letter-spacing:0;line-height:1.5;overflow-wrap:anywhere}
#tip[hidden]{display:none}
footer{max-width:1120px;margin:0 auto;padding:.2rem 1.2rem 2.5rem;color:var(--soft);font-size:.84rem;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem}
@media print{header,.filter,#copy,.switch{display:none}.scroll,.tall{overflow:visible;max-height:none}section{break-inside:avoid}}
`;
