"""Writes cases.json: what transformers' apply_chat_template gives for the templates below.

Run it in an environment with transformers (made with 5.23.0, jinja2 3.1.6):

    python make.py > cases.json
"""

import json

from transformers.utils.chat_template_utils import render_jinja_template

EMPTY = []
ONE = [{"role": "user", "content": "Hi\n"}]
FOUR = [
    {"role": "system", "content": " Be brief. "},
    {"role": "user", "content": "2 > 1, isn't it?"},
    {"role": "assistant", "content": 'Yes: "é" 👍'},
    {"role": "user", "content": "a\r\nb"},
]
EXTRA = {"bos_token": "<s>", "eos_token": "</s>", "d": {"a": 1, "b": "two", "c": None}, "lst": [3, 1, 2.5, "z"], "x": 5}

CHATML = """{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
ALTERNATING = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'].strip() %}{% else %}{% set rest = messages %}{% set system = false %}{% endif %}
{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{% if loop.first and system %}{% set content = '<<SYS>>\\n' ~ system ~ '\\n<</SYS>>\\n\\n' ~ m.content %}{% else %}{% set content = m.content %}{% endif %}
{% if m.role == 'user' %}{{ '[INST] ' + content.strip() + ' [/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' ~ content ~ eos_token }}{% endif %}{% endfor %}
"""
NAMESPACE = """{%- set ns = namespace(count=0, last=none) %}
{%- for m in messages if m.role == 'user' %}{% set ns.count = ns.count + 1 %}{% set ns.last = m %}{% endfor %}
{{- ns.count }} {{ ns.last.content if ns.last else 'none' }}"""
THINKING = """{%- macro turn(role, text='', open=true) -%}
{{ '<' ~ role ~ '>' if open }}{{ text.split('</think>')[-1].lstrip('\\n') }}
{%- endmacro %}
{%- for m in messages[::-1] %}{% if loop.index0 >= 2 %}{% break %}{% endif %}{{ turn(m.role, text=m.content) }}|{% endfor %}"""

TEMPLATES = [
    CHATML,
    ALTERNATING,
    NAMESPACE,
    THINKING,
    # white space
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%+ if true %}\n  b\n  {%- endif +%}\nc\n\n",
    "a  {#- x -#}  b{# y #}\nc{#- z +#}\nd",
    "  {{- 'x' -}}  \n y {{ '}}' }}{{ {'a': {'b': 1}} }}",
    "{% set x %}  two\n  {{ 1 }}\n{% endset %}[{{ x }}]\r\nend\r\n",
    # values and printing
    "{{ none }} {{ true }} {{ 1.0 }} {{ 1e3 is defined }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 * 'ab' }}",
    "{{ 7 // -2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 * 'ab' }} {{ 1.5 + 1 }} {{ 0.1 + 0.2 }} {{ 1 ~ none ~ 2.0 }}",
    "{{ lst }} {{ d }} {{ (1,) }} {{ \"it's\" }} {{ [\"it's\", 'say \"x\"', 'a\\nb\\t\\\\'] }}",
    "{{ nosuch }}|{{ d.nosuch }}|{{ lst[9] }}|{{ none.x }}|{{ (1 if false) }}",
    "{{ nosuch.x }}",
    "{{ 'a' 'b' }} {{ 'x\\x41\\u00e9\\q' }}",
    # tests and operators
    "{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 'a' in 'abc' }} {{ 4 not in lst }} {{ not true or 1 }} {{ 0 or '' }} {{ 1 and [] }}",
    "{{ x is defined }} {{ y is not defined }} {{ lst is sequence }} {{ d is mapping }} {{ true is number }} {{ 3 is odd }} {{ 9 is divisibleby 3 }} {{ x is eq(5) }} {{ none is none }}",
    "{{ messages[-1].role }} {{ messages[::-1][0]['role'] }} {{ 'hello'[1:-1] }} {{ 'hello'[::-2] }} {{ lst[-3:] }} {{ lst[:-9:-1] }}",
    # filters
    "{{ messages | tojson }}",
    "{{ {'a': [1, {'b': none}], 'é': []} | tojson(indent=2) }} {{ 'é👍' | tojson(ensure_ascii=true) }}",
    "{{ '  x ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'HeLLo wORLD-x' | title }}|{{ 'heLLo' | capitalize }}|{{ lst | length }}",
    "{{ nosuch | default('d') }} {{ '' | default('e', true) }} {{ none | default('f') }} {{ nosuch | d }}",
    "{{ lst | first }} {{ lst | last }} {{ [] | first }} {{ lst | join(', ') }} {{ 'abc' | reverse }} {{ 'abc' | list }}",
    "{{ messages | map(attribute='role') | join(',') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('content') | list }}",
    "{{ [1, 'a', none] | select('string') | list }} {{ ['a', 'b'] | map('upper') | list }} {{ [0, 1] | select | list }}",
    "{{ 'a b a' | replace('a', 'c', 1) }} {{ 'a\\n\\nb' | indent(2) }} {{ 'a\\nb' | indent(1, true) }} {{ '12' | int + 1 }} {{ 'z' | int(7) }} {{ '1.5' | float }}",
    "{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}{% for k, v in d.items() %}{{ k }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}{{ {'b': 1, 'A': 2} | dictsort }}",
    "{{ '<b>' | safe }}{{ '<i>' }}",
    # methods
    "{{ ' a b '.split() }} {{ 'a,b,,c'.split(',', 2) }} {{ 'abc'.startswith(('x', 'ab')) }} {{ 'aXbX'.rstrip('X') }} {{ '-'.join(['a', 'b']) }} {{ 'abcabc'.find('c') }}",
    "{{ d.get('a') }} {{ d.get('q') }} {{ d.get('q', 1) }} {{ d.keys() | list }} {{ 'a.b'.replace('.', '') }} {{ 'x y'.title() }} {{ 'PreX'.removeprefix('Pre') }}",
    # loops and scopes
    "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{{ '.' if loop.last else ',' }}{{ loop.revindex0 }}{{ loop.previtem.role if loop.previtem is defined }}{{ loop.cycle('a', 'b') }} {% else %}empty{% endfor %}",
    "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% set x = i %}{% endfor %}{{ x }}",
    "{% for i in [1, 2] %}{% break %}{% else %}else runs{% endfor %}",
    "{% set x = x + 1 %}{% if true %}{% set x = x + 1 %}{% endif %}{{ x }}",
    "{% set a, b = 1, 'q' %}{{ b }}{{ a }}{% for p, q in [[1, 2], (3, 4)] %}{{ p }}{{ q }}{% endfor %}",
    "{% generation %}{{ x }}{% endgeneration %}{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}",
    # errors of the template
    "{{ raise_exception('no ' ~ x) }}",
    "{{ 1 / 0 }}",
    "{{ 'a' + 1 }}",
    "{{ lst.append(1) }}",
    "{{ x() }}",
    "{% for a, b in [[1]] %}{% endfor %}",
    "{% set ns = 1 %}{% set ns.a = 2 %}",
    "{% if x %}",
    "{% endif %}",
    "{{ x",
    "{{ x ] }}",
    "{% for i in lst %}{% endif %}",
]

cases = []
for template in TEMPLATES:
    for messages in (EMPTY, ONE, FOUR):
        for prompt in (False, True):
            case = {"template": template, "messages": messages, "prompt": prompt}
            try:
                case["want"] = render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt, **EXTRA)[0][0]
            except Exception as e:  # every failure counts the same
                case["fails"] = type(e).__name__
            if not cases or any(case.get(k) != cases[-1].get(k) for k in ("template", "want", "fails")):
                cases.append(case)
print(json.dumps({"extra": EXTRA, "cases": cases}, indent=1))
