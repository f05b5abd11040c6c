#!/usr/bin/env python3
"""Writes golden.json: what transformers' environment for chat templates makes of templates and of single expressions; and
tools.json: what `apply_chat_template` makes of templates and of conversations with tools, their calls, thoughts and parts.

The templates were written for this project, by what the well-known forms do; none is copied. Made with transformers
5.24.0 and jinja2 3.1.6: /path/to/python make.py
"""

import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

TEMPLATES = {
    "chatml": """\
{%- for m in messages %}
    {%- if loop.first and m.role != 'system' %}
        {{- '<|im_start|>system\\nBe of help.<|im_end|>\\n' }}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "instructions": """\
{% if messages[0]['role'] == 'system' %}{% set intro = '<<SYS>>\\n' ~ messages[0]['content'] ~ '\\n<</SYS>>\\n\\n' %}\
{% set rest = messages[1:] %}{% else %}{% set intro = '' %}{% set rest = messages %}{% endif %}
{% for m in rest %}
{% if (m['role'] == 'user') != (loop.index0 is even) %}
{{ raise_exception('Turns go user, assistant, user, assistant.') }}
{% endif %}
{% if m['role'] == 'user' %}{{ bos_token }}[INST] {{ (intro if loop.first else '') + m['content'].strip() }} [/INST]\
{% elif m['role'] == 'assistant' %} {{ m['content'] | trim }} {{ eos_token }}{% endif %}
{% endfor %}""",
    "headers": """\
{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{%- macro header(role) -%}
    <|start_header_id|>{{ role }}<|end_header_id|>{{ "\\n\\n" }}
{%- endmacro %}
{%- if system or tools is not none %}
    {{- header('system') }}
    {%- if tools is not none %}{{ tools | tojson(indent=2) }}{% endif %}
    {{- system + '<|eot_id|>' }}
{%- endif %}
{%- for m in messages %}
    {%- if not (m.role == 'ipython' or 'tool_calls' in m) %}
        {{- header(m.role) + m.content | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- header('assistant') }}{% endif %}
""",
    "turns": """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}\
<start_of_turn>{{ role }}
{{ m['content'] | trim }}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}""",
    "bars": """\
{% for m in messages %}
    {% if m['role'] == 'user' %}
<|user|>
{{ m['content'] }}<|end|>
    {% elif m['role'] == 'system' %}
<|system|>
{{ m['content'] }}<|end|>
    {% elif m['role'] == 'assistant' %}
<|assistant|>
{% generation %}
{{ m['content'] }}<|end|>
{% endgeneration %}
    {% endif %}
{% endfor %}
{% if add_generation_prompt %}<|assistant|>
{% else %}{{ eos_token }}{% endif %}""",
    "thinking": """\
{%- set ns = namespace(system='', last=-1, is_first=true) -%}
{%- for m in messages -%}
    {%- if m['role'] == 'system' -%}
        {%- set ns.system = ns.system + ('' if ns.is_first else '\\n\\n') + m['content'] -%}
        {%- set ns.is_first = false -%}
    {%- elif m['role'] == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{{ bos_token }}{{ ns.system }}
{%- for m in messages if m['role'] != 'system' %}
    {%- if m['role'] == 'user' %}<｜User｜>{{ m['content'] }}
    {%- else %}
        {%- set text = m['content'] %}
        {%- if '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\\n') %}{% endif %}
        {{- '<｜Assistant｜>' ~ text ~ '<｜end▁of▁sentence｜>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<｜Assistant｜><think>
{% endif %}""",
    "brackets": """\
{%- if messages and messages[0].role == "system" %}{% set system = messages[0].content %}{% endif %}
{%- set users = messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- for m in messages | rejectattr("role", "equalto", "system") %}
    {%- if m.role == "user" %}
        {%- if tools is defined and tools and m == users[-1] %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}
        {%- if loop.last and system is defined %}
            {{- "[INST]" + system + "\\n\\n" + m.content + "[/INST]" }}
        {%- else %}
            {{- "[INST]" + m.content + "[/INST]" }}
        {%- endif %}
    {%- elif m.role == "assistant" %}
        {{- " " + m.content | trim + eos_token }}
    {%- else %}
        {{- raise_exception("only user, system and assistant have a place: " ~ m.role) }}
    {%- endif %}
{%- endfor -%}
""",
    "parts": """\
{% macro words(content) %}{% if content is string %}{{ content }}{% elif content is iterable %}{% for part in content -%}
{% if part.type == 'text' %}{{ part.text }}{% elif part['type'] in ('image', 'image_url') %}<image>{% endif %}
{%- endfor %}{% else %}{{ content }}{% endif %}{% endmacro %}
{% set names = {'user': 'USER', 'assistant': 'ASSISTANT'} %}
{% for m in messages %}
{%- filter trim %}{{ names.get(m.role, m.role | upper) }}: {{ words(m.content) }}{% endfilter %}
{%- if m.role == 'assistant' %}{{ eos_token }}{% elif not loop.last %}{{ ' ' }}{% endif %}
{% endfor %}
{%- if add_generation_prompt and (messages | last).role != 'assistant' %} ASSISTANT:{% endif %}
""",
    "loops": """\
{#- a comment -#}
{% for m in messages %}{% if m.content == '' %}{% continue %}{% endif %}{% if loop.index > 3 %}{% break %}{% endif %}
{{ loop.index }}/{{ loop.length }} {{ loop.revindex0 }} {{ loop.previtem.role if loop.previtem is defined else '-' }} \
{{ loop.cycle('a', 'b') }} {{ loop.changed(m.role) }} {{ m.role }}: {{ m.content | length }} {{ m.content[::-1] }}
{% else %}nothing
{% endfor %}
{% set block | upper %}  kept {{ messages | map(attribute='role') | unique | join('+') }}{% endset %}
[{{ block }}]
{% raw %}{{ not read }}{% endraw %}

{%+ if true %}  x{% endif +%}
{% call(x) (messages | length, 2) and wrap('<', '>') %}{{ x }}{% endcall %}
""".replace("{% call(x) (messages | length, 2) and wrap('<', '>') %}{{ x }}{% endcall %}",
            "{% macro wrap(a, b='>') %}{{ a }}{{ caller(messages | length) }}{{ b }}{% endmacro %}"
            "{% call(x) wrap('<') %}{{ x }}{% endcall %}"),
}  # fmt: skip

SYSTEM, USER = {"role": "system", "content": "Be brief.\nBe kind."}, {"role": "user", "content": " What is water? "}
ANSWER = {"role": "assistant", "content": "\nIt is wet.\n"}
CHATS = {
    "asked": [USER],
    "system": [SYSTEM, USER],
    "turns": [USER, ANSWER, {"role": "user", "content": "And \"ice\"? <|x|> {{ y }}"}],
    "system turns": [SYSTEM, USER, ANSWER, {"role": "user", "content": "你好，世界 😀 e\u0301"}],
    "answered": [SYSTEM, USER, ANSWER],
    "empty": [{"role": "user", "content": ""}],
    "thought": [USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}, {"role": "user", "content": "Sure?"}],
    "two users": [USER, USER],
    "odd role": [USER, {"role": "critic", "content": "no"}],
    "nothing": [],
}  # fmt: skip

VALUES = {
    "s": "Ab c-d\n 12 ß", "u": "ΑΣ ǆ 你好", "e": "", "n": None, "i": 7, "z": 0, "f": 2.5, "t": True, "l": [3, 1, 2],
    "w": ["b", "A", "c"], "d": {"b": 1, "a": {"x": [1, 2.0, None, True, "q'\"\n"]}, "C": 2}, "r": [
        {"k": "x", "v": 2}, {"k": "Y", "v": 1}, {"k": "x", "v": 3, "o": {"p": 5}}],
}  # fmt: skip

EXPRESSIONS = """
s|upper;s|lower;s|title;s|capitalize;s.title();s.capitalize();u.lower();u|upper;u.title();u|capitalize;s|length;u|length;s[0];s[-1];s[1:4]
s[::-1];s[10:2:-2];u[-2:];s[100:];s.split();s.split(' ');s.split(' ', 1);s.rsplit(None, 1);s.rsplit(' ', 1);s.splitlines();'a\\n\\nb\\r\\n'.splitlines(true)
'  x y '.strip();'xxaxx'.strip('x');'xxaxx'.lstrip('x');'xxaxx'.rstrip('x');s.replace('b', '--');'aaa'.replace('a', 'b', 2);'ab'.replace('', '.')
s.startswith('Ab');s.endswith(('ß', 'x'));s.find('c');s.rfind('zz');s.count(' ');'-'.join(w);'a,b,c'.partition(',');'a,b,c'.rpartition(',')
'abc'.removeprefix('a');'abc'.removesuffix('c');'12'.isdigit();'1a'.isalnum();'ab'.isalpha();' '.isspace();'ab'.islower();'AB'.isupper();''.isdigit()
s|trim;'xax'|trim('x');s|replace('b', 'B');'a\\nb\\n\\nc'|indent;'a\\nb\\n\\nc'|indent(2, true);'a\\n\\nc'|indent('>', blank=true);''|indent(2, true)
missing;missing|default('x');e|default('x');e|default('x', true);n|default('x');n|d('x', boolean=true);missing is defined;s is defined;n is none
i is odd;i is even;i is divisibleby 7;i is divisibleby(2);i is number;t is number;t is integer;i is integer;f is float;t is boolean;s is string
l is sequence;d is sequence;d is mapping;l is mapping;l is iterable;i is iterable;n is iterable;missing is iterable;s is iterable;d.items() is sequence
i is eq 7;i is ne(7);i is gt 3;i is in [1, 7];s is in [s];'x' is not in ['x'];i is sameas 7;n is sameas none;t is true;z is false;'ab' is lower;'AB' is upper
i + 3;i - 10;i * 2;i / 2;i // 2;-i // 2;i % 3;-i % 3;i ** 2;2 ** -1;f + 1;f * 2;f // 1;-f % 2;7.0;1e20;1.5e-7;123456789012345678.0;0.1 + 0.2;1e16;1e15
t + 1;'a' * 3;3 * 'ab';[1] * 2;[1] + [2];(1, 2) + (3,);'a' ~ 1 ~ none ~ true;1 ~ 2;-i|abs;(-i)|abs;-3|abs;+t;2 + 3 ~ 4;2 * 3 ~ 4 + 1
1 < 2 < 3;1 < 2 > 3;1 == 1.0;'a' == 'a';'a' < 'b';[1, 2] < [1, 3];n == none;true == 1;'1' == 1;1 in l;4 not in l;'b' in s;'x' in d;'b' in d;1 in (1, 2)
not t;not e;t and e;e or 'x';z or n;t and i or f;not 1 == 2;i if t else f;i if e;'a' if z else 'b' if n else 'c';(i if t else f) + 1
l|sort;l|sort(reverse=true);w|sort;w|sort(case_sensitive=true);r|sort(attribute='v')|map(attribute='v')|list;r|map(attribute='k')|join(', ')
r|selectattr('k', 'equalto', 'x')|list|length;r|rejectattr('o')|map(attribute='v')|list;r|selectattr('o.p', 'gt', 4)|map(attribute='v')|first;r|map(attribute='o.p', default=0)|list
l|select('odd')|list;l|reject('gt', 1)|list;l|select|list;w|map('upper')|list;w|map('replace', 'b', 'x')|list;l|first;l|last;e|first;[]|last;l|max;w|min;l|sum
r|sum(attribute='v');l|sum(start=1);l|reverse|list;s|reverse;l|join;l|join('-');l|list;s|list|length;d|list;d|length;d|items|list;d.items()|list;d.keys()|list;d.values()|list
d|dictsort;d|dictsort(true);d|dictsort(by='key', reverse=true)|first;['a', 'A', 'b']|unique|list;['a', 'A']|unique(true)|list;d.a.x;d['a']['x'][0];d.get('q');d.get('q', 5);d.get('b')
d.q;d['q'];d.a.x[-1];r[0].k;r.0.k;r[-1]['o'].p;l[5];l[1:];l[:-1];(1, 2)[1:];l|tojson;d|tojson;d|tojson(indent=2);d|tojson(sort_keys=true);u|tojson;u|tojson(ensure_ascii=true)
'<a>&\\'"\\u2028\\x7f\\x01'|tojson;[]|tojson(indent=1);{}|tojson;{1: 2, none: 3, true: 4, 1.5: 5}|tojson;l|tojson(separators=(',', ':'));f|tojson;1e20|tojson
d|string;l|string;n|string;t|string;[missing]|string;('a',)|string;()|string;{'a': (1, 'b')}|string;'a\\x00\\u200b\\xa0\\U0001F600'|list|string;["it's", 'a"b', "it's \\"x\\""]|string;(1.0, -0.0)|string
'12'|int;'x'|int;'x'|int(3);' 12 '|int;2.9|int;'2.9'|int;-2.9|int;'x'|float;'1.5'|float;i|float;t|int;none|int;2.5|round;3.5|round;2.675|round(2);2.1|round(0, 'ceil');2.19|round(1, 'floor');7|round
range(3)|list;range(1, 7, 3)|list;range(3, 0, -1)|list;range(0)|list;range(5)[2];range(3)|length;dict(a=1, b=2);dict(d, b=3);dict([('x', 1)])|tojson;namespace(a=1).a;namespace().b is defined
'a' 'b';'tab\\tq\\\\';'\\u4f60\\q\\101';"x'y";1_000;[1, 2,];{'a': 1,};(1,);();(1);1, 2;{}.a is defined;''.q is defined;'{{'
s.strip().split('\\n')[0].upper();(s|trim).split();s|trim|length;s|trim|upper ~ '!';s.split()|map('length')|list;(l + [4])[-1];l|length > 2 and s|length < 100;not s is string;s is not string
'x'.y.z;missing.x;missing[0];missing();n.x;n.x is defined;n + 1;'a' + 1;l + 'a';1 / 0;1 % 0;l[0].x.y;s();i.x();n in 'a';1 in 'a';1 in 2;n|length;i|length;l|join|list|last;(l|map('abs'))|length
l.append(4);d.update({});d.pop('b');'a' < 1;[1] < ['a'];raise_exception('no');raise_exception();range(200000)|length;missing|tojson;l|map|list;s|center;x.y if missing.x is defined;loop;self
l|select('odd')|first;(l|select('odd')) and 'yes';([]|select) and 'yes';missing|length;missing|list;missing|join;missing == missing;missing in l;missing ~ 'x';missing|upper;missing|trim|length;l is missing_test;l|missing_filter
'a{}b{}'.format(1, 'x');'{0}{1}{0}'.format(1, none);'{a}-{b}'.format(b=l, a=t);'{0[b]}{0.C}{0[a][x][0]}'.format(d);'{}{[1]}'.format(1, l);'{!r}{!s}'.format('x', 'x');'{{{}}}'.format(d)
'{'.format(1);'}'.format(1);'{}}'.format(1);'{}{0}'.format(1);'{0}{}'.format(1);'{1}'.format(1);'{x}'.format(1);'{}'.format(missing);'{:}'.format(2.0);'{x.q}'.format(x=s);'{0.x.y}'.format(i);'{0[x}'.format(d);s.format()
'<a>'|safe + '<b>';'<b>\\'"' + '&a'|safe;('<a>'|safe) ~ '<b>';'&'|safe|upper + '>';(' a<'|safe)|trim + '<';('<'|safe) * 2 + '>';('<a'|safe)[0] + '<';('<a'|safe)[:1] + '<';('a b'|safe).split()[1] + '<'
('a'|safe).replace('a', '<') + '<';('-'|safe).join(['<', '>'|safe]);['<'|safe, 'b'];('<'|safe)|string + '<';('<'|safe)|title + '<';('<'|safe)|replace('<', '>') + '<';('<'|safe)|join('') + '<';('x'|safe) == 'x';{'x': 1}['x'|safe]
('<\\nb'|safe)|indent(1) + '<';('<'|safe)|reverse + '<';('<'|safe)|default('y') + '<';'<'|safe|tojson;('<'|safe).partition('x')[0] + '<';('<'|safe).upper().strip() + '<';5|safe + '<';('<'|safe) + 1;('<'|safe) in '<';('<{}'|safe).format('<')
n|select|list;n|selectattr('type', 'equalto', 'x')|list|length;z|reject('odd')|list;t|select|list;i|map('upper')|list;n|map('upper')|list;e|map|list;n|rejectattr|list;missing|map('nothing')|list;n|list
'%s'|format(1);'a{}'.format(1);'a{:>3}'.format(1);'a{:{}}'.format(1, 2);'a%s' % 1;s|e;s|safe;l|batch(2)|list;'x'|urlencode;1 is;|x;(1;[1;{1;'a;1 +;a b;a..b;a.;f(**d);f(*l);s|indent(width=2, first=true)
"""

STATEMENTS = [
    "{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% if t %}{% set x = 1 %}{% endif %}{{ x }}", "{% for a, b in d.items() %}{{ a }}{{ b }};{% endfor %}",
    "{% for a, b in [(1, 2), (3,)] %}{{ a }}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a + b + c }}{% endfor %}",
    "{% set a, b = 1, 2 %}{{ b }}{{ a }}", "{% set a, b = 1 %}", "{% for x in n %}{% endfor %}", "{% for x in missing %}{% else %}none{% endfor %}",
    "{% macro m(a, b=2, c) %}{% endmacro %}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, b=3) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m() %}{{ late }}{% endmacro %}{% set late = 5 %}{{ m() }}", "{{ m() }}{% macro m() %}{% endmacro %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% set x %} a {% set y = 1 %}{% endset %}[{{ x }}]{{ y }}", "{% set x | trim | upper %} a {% endset %}[{{ x }}]",
    "{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% filter upper %}a{% set q = 1 %}{% endfilter %}{{ q }}",
    "{% set ns = namespace() %}{% for i in l %}{% set ns.x = i %}{% endfor %}{{ ns.x }}", "{% set q.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "a  {%- if t -%}  b  {%- endif -%}  c", "a\n  {% if t %}\n  b\n  {% endif %}\nc\n", "a\n  {%+ if t +%}\n  b\n  {%+ endif %}\nc\n\n", "  {{ 1 }}  \n {# c #} \n x",
    "{#- c -#}  x {# c -#}  y", "{% raw -%}  {{ x }} {%- endraw %} z", "  {% raw %}\n a {% endraw %}\n z", "a\r\nb\rc\r\n", "{{ 'a\r\nb' }}", "{{-1}}{{+1}}{{ - 1 }}",
    "{{ {'a': {'b': 1}}['a']['b'] }}{{ {} }}", "{% for x in l if x > 1 %}{{ loop.index }}{{ x }}{{ loop.last }}{% endfor %}",
    "{% for x in l %}{% for y in w %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}{{ loop is defined }}", "{% for k in d %}{{ k }}{% endfor %}{% for c in 'añ' %}[{{ c }}]{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% break %}", "{% for x in l %}{{ loop.nextitem }}{{ loop.depth }}{{ loop.revindex }}{% endfor %}",
    "{% generation %}{% set g = 1 %}x{% endgeneration %}{{ g }}", "{% if a %}", "{% endif %}", "{% for %}", "{{ 1", "{# x", "{% raw %}", "{% include 'x' %}", "{% block b %}{% endblock %}", "{% do 1 %}",
    "{% if e %}1{% elif z %}2{% elif t %}3{% else %}4{% endif %}", "{% if missing.x %}{% endif %}", "{%if t%}x{%endif%}", "{{ l.0 }}{{ d.a['x'].1 }}", "{% set loop = 1 %}{{ loop }}",
    "{% set l = l + [9] %}{{ l }}", "{% for x in l %}{% set l = [] %}{{ l|length }}{% endfor %}{{ l|length }}", "{% set x = namespace(y=[]) %}{% set x.y = x.y + [1] %}{{ x.y }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{{ caller }}", "{% set f = raise_exception %}{{ f('x') }}", "{{ strftime_now('%%|') }}",
]  # fmt: skip


TOOL_TEMPLATES = {
    # Tools and calls as JSON between marks; thoughts only of the last turn.
    "marked": """\
{%- set ns = namespace(asked=-1) %}
{%- for m in messages if m.role == 'user' and m.content is string %}{% set ns.asked = ns.asked + 1 %}{% endfor %}
{%- if tools %}
    {{- '[tools]' }}
    {%- for tool in tools %}
        {{- '\\n' ~ tool | tojson }}
    {%- endfor %}
    {{- '\\n[/tools]\\n' }}
{%- endif %}
{%- set count = namespace(asked=-1) %}
{%- for m in messages %}
    {%- if m.role == 'user' %}{% set count.asked = count.asked + 1 %}{% endif %}
    {%- if m.role == 'tool' %}
        {{- '[result ' ~ (m.name or m.tool_call_id or loop.index0) ~ ']' ~ m.content ~ '\\n' }}
        {%- continue %}
    {%- endif %}
    {{- '[' + m.role + ']' }}
    {%- if m.reasoning_content and count.asked == ns.asked %}{{- '(' ~ m.reasoning_content | trim ~ ')' }}{% endif %}
    {%- if m.content is string %}
        {{- m.content }}
    {%- else %}
        {%- for part in m.content or [] %}{{- part.text if part.type == 'text' else '<' + part.type + '>' }}{% endfor %}
    {%- endif %}
    {%- for call in m.tool_calls or [] %}
        {%- set call = call.function or call %}
        {{- '\\n[call] {"name": "' + call.name + '", "arguments": ' }}
        {{- call.arguments if call.arguments is string else call.arguments | tojson }}
        {{- '}' }}
    {%- endfor %}
    {{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '[assistant]' ~ ('' if enable_thinking | default(true) else '()') }}{% endif %}
""",
    # Parameters by their types, in each other; calls with each argument by itself.
    "typed": """\
{%- macro kind(schema, indent) -%}
    {%- if 'enum' in schema %}{{ schema.enum | map('tojson') | join(' | ') }}
    {%- elif schema.type == 'object' -%}
        {{ '{' }}
        {%- for name, part in (schema.properties or {}) | dictsort %}
{{ indent ~ name }}{{ '' if name in schema.required | default([]) else '?' }}: {{ kind(part, indent ~ '  ') -}}
            {%- if part.default is defined %} = {{ part.default }}{% endif %}
        {%- endfor %}{{ '}' }}
    {%- elif schema.type == 'array' %}{{ kind(schema['items'], indent) }}[]
    {%- elif schema.type is string %}{{ schema.type | upper }}
    {%- elif schema.type %}{{ schema.type | join(' or ') }}
    {%- else %}ANY{% endif %}
{%- endmacro %}
{{- bos_token }}
{%- for tool in tools or [] %}
    {%- set tool = tool.function if 'function' in tool else tool %}
    {{- tool.name ~ '(' ~ kind(tool.parameters, '  ') ~ ')' }}
    {%- for line in tool.description.split('\\n') %}{{- ' // ' ~ line }}{% endfor %}
    {{- '\\n' }}
{%- endfor %}
{%- for document in documents or [] %}{{- '{}: {title} {0}\\n'.replace('{}', loop.index ~ '').format(document.text, title=document.title) }}{% endfor %}
{%- for m in messages %}
    {%- for call in m.tool_calls or [] -%}
        <{{ call.function.name }}
        {%- for name, value in call.function.arguments.items() %} {{ name }}={{ value if value is string else value | tojson(ensure_ascii=true) }}{% endfor -%}
        >
    {%- endfor %}
    {%- if 'content' in m %}{{- m.role ~ ': ' ~ m.content ~ '\\n' }}{% endif %}
{%- endfor %}
{{- m }}{{ thinking }}{{ effort | default('none') }}
""",
    # Refuses calls without an id of nine characters, and turns out of turn.
    "strict": """\
{%- set said = messages | selectattr('role', 'in', ['user', 'assistant']) | rejectattr('tool_calls') | list %}
{%- for m in said %}
    {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('out of turn: ' ~ m.role) }}{% endif %}
{%- endfor %}
{%- for m in messages %}
    {%- if m.tool_calls is defined %}
        {%- for call in m.tool_calls %}
            {%- if call.id is not defined or call.id | length != 9 %}{{- raise_exception('a call without its id') }}{% endif %}
            {%- set written = call.function | tojson %}
            {{- written[:-1] ~ ', "id": "' ~ call.id ~ '"}' ~ (', ' if not loop.last else '\\n') }}
        {%- endfor %}
    {%- elif m.role == 'tool' %}{{- '[' ~ m.tool_call_id[-9:] ~ ']' ~ m.content | string ~ '\\n' }}
    {%- else %}{{- m.role ~ ' ' ~ m.content + eos_token ~ '\\n' }}{% endif %}
{%- endfor %}
""",
}  # fmt: skip
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Now, or\non a day: \"北京\"", "parameters": {
        "type": "object", "required": ["place"], "properties": {
            "place": {"type": "string"}, "Unit": {"enum": ["C", "F", None], "default": "C"}, "days": {"type": ["integer", "null"]},
            "at": {"type": "object", "properties": {"lat": {"type": "number", "default": 46.0}, "x": {}}, "required": ["lat"]},
            "names": {"type": "array", "items": {"type": "string"}}}}}},
    {"name": "time", "description": "", "parameters": {"type": "object"}},
]
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {
        "place": "北京", "days": 2, "at": {"lat": 1.50, "x": None}, "big": 1e22, "b": True}}}]}
RESULT = {"role": "tool", "tool_call_id": "call00001", "content": "{\"t\": 21.5}"}
TOOL_CHATS = {
    "asked": {"messages": [SYSTEM, USER], "tools": TOOLS},
    "called": {"messages": [USER, CALL, RESULT], "tools": TOOLS},
    "called in writing": {"messages": [USER, {**CALL, "content": "I look.", "tool_calls": [
        {"function": {"name": "time", "arguments": "{}"}}]}, {"role": "tool", "name": "time", "content": "12"}], "tools": TOOLS[1:]},
    "answered": {"messages": [SYSTEM, USER, {**CALL, "reasoning": "I must look."}, RESULT, {
        "thinking": "So.", "role": "assistant", "content": "Sun.", "reasoning_content": None}, USER,
        {"role": "assistant", "content": "Yes.", "reasoning_content": " At last. ", "thinking": "other"}]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}], "name": None}]},
    "values": {"messages": [USER], "tools": [], "documents": [{"title": "T", "text": "x {y}"}], "chat_template_kwargs": {
        "enable_thinking": False, "thinking": [1, 2.0, "x"], "effort": None, "bos_token": "<B>"}},
    "two users": {"messages": [USER, USER], "tools": None, "documents": None},
    "a call with a short id": {"messages": [USER, {**CALL, "tool_calls": [{**CALL["tool_calls"][0], "id": "1"}]}]},
}  # fmt: skip


def outcome(render):
    """The text, or null where there is none."""
    try:
        return render()
    except Exception:
        return None


def main():
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    chats = [
        {
            "template": name, "chat": chat, "prompt": prompt,
            "text": outcome(lambda: render_jinja_template(
                conversations=[CHATS[chat]], chat_template=template, add_generation_prompt=prompt, **tokens)[0][0]),
        }
        for name, template in TEMPLATES.items() for chat in CHATS for prompt in (False, True)
    ]  # fmt: skip
    sources = ["{{ " + part + " }}" for line in EXPRESSIONS.strip().splitlines() for part in line.split(";")]
    sources = [source.replace("\\\\", "\\") for source in sources] + STATEMENTS
    pieces = [
        {"source": source, "text": outcome(lambda: _compile_jinja_template(source).render(**VALUES))}
        for source in sources
    ]
    golden = {"templates": TEMPLATES, "chats": CHATS, "values": VALUES, "rendered": chats, "pieces": pieces}
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
    print(len(chats), sum(chat["text"] is None for chat in chats), len(pieces), sum(p["text"] is None for p in pieces))
    vocabulary = Tokenizer(models.BPE({"<unk>": 0, "<s>": 1, "</s>": 2}, [], unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, **tokens)
    rendered = [
        {
            "template": name, "chat": chat, "prompt": prompt,
            "text": outcome(lambda: tokenizer.apply_chat_template(
                TOOL_CHATS[chat]["messages"], tools=TOOL_CHATS[chat].get("tools"), chat_template=template,
                documents=TOOL_CHATS[chat].get("documents"), add_generation_prompt=prompt, tokenize=False,
                **TOOL_CHATS[chat].get("chat_template_kwargs", {}))),
        }
        for name, template in TOOL_TEMPLATES.items() for chat in TOOL_CHATS for prompt in (False, True)
    ]  # fmt: skip
    # Each conversation as its text: the order of names in it counts.
    golden = {"templates": TOOL_TEMPLATES, "rendered": rendered,
              "chats": {name: json.dumps(chat, ensure_ascii=False) for name, chat in TOOL_CHATS.items()}}
    path.with_name("tools.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
    print(len(rendered), sum(chat["text"] is None for chat in rendered))


if __name__ == "__main__":
    main()
