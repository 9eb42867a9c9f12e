"""Chat templates written for the tests in the manner of well-known families: what each of them uses of Jinja."""

from __future__ import annotations

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

LLAMA_2 = """\
{% if messages[0]['role'] == 'system' %}
    {% set rest = messages[1:] %}
    {% set order = messages[0]['content'] %}
{% else %}
    {% set rest = messages %}
    {% set order = false %}
{% endif %}
{% for message in rest %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles have to take turns: user, assistant, user …') }}
    {%- endif %}
    {%- if loop.first and order is not false %}
        {%- set said = '<<SYS>>\\n' ~ order ~ '\\n<</SYS>>\\n\\n' ~ message['content'] %}
    {%- else %}
        {%- set said = message['content'] %}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- bos_token ~ '[INST] ' ~ said | trim ~ ' [/INST]' }}
    {%- else %}
        {{- ' ' ~ said | trim ~ ' ' ~ eos_token }}
    {%- endif %}
{%- endfor %}"""

LLAMA_3 = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%Y") if strftime_now is defined else "2024" %}
{%- endif %}
{%- for message in messages %}
    {%- set head = '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' %}
    {%- if loop.first and message.role == 'system' %}
        {{- head + "Year: " + date_string + "\n" + message.content | trim + '<|eot_id|>' }}
    {%- else %}
        {{- head + message.content | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

MISTRAL = """\
{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages if message.role in ("user", "assistant") %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("Questions and replies have to take turns") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined %}
        {{- "[TOOL_CALLS]" + message.tool_calls | tojson }}
    {%- else %}
        {%- generation %}
        {{- " " + message["content"] | trim + eos_token }}
        {%- endgeneration %}
    {%- endif %}
{%- endfor %}
"""

QWEN_2_5 = """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "<|im_end|>\\n" }}
{%- elif messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role in ["user", "system"]) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

QWEN_3 = """\
{%- set ns = namespace(asked=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.asked and message.role == "user" and message.content is string %}
        {%- set ns.asked = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and thought %}
            {{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

GEMMA = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('There is no system role here') }}{% endif %}
{%- for message in messages %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{- '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""

DEEPSEEK = """\
{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}\
{% set ns = namespace(first=true, system='') %}\
{%- for message in messages %}{%- if message['role'] == 'system' %}{%- if ns.first %}\
{% set ns.system = ns.system + message['content'] %}{% set ns.first = false %}{%- else %}\
{% set ns.system = ns.system + '\\n\\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}\
{{ bos_token }}{{ ns.system }}\
{%- for message in messages %}{%- if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{%- endif %}\
{%- if message['role'] == 'assistant' and message['content'] is not none %}\
{% set content = message['content'] %}\
{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}\
{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{%- endif %}{%- endfor %}\
{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"""

TEMPLATES = {
    "ChatML": CHATML,
    "Llama 2": LLAMA_2,
    "Llama 3": LLAMA_3,
    "Mistral": MISTRAL,
    "Qwen2.5": QWEN_2_5,
    "Qwen3": QWEN_3,
    "Gemma": GEMMA,
    "DeepSeek": DEEPSEEK,
}

TWICE = "{% for a in range(99999) %}{% for b in range(99999) %}BODY{% endfor %}{% endfor %}"

# Each takes all the time or memory that it gets.
ENDLESS = {
    "loops": TWICE.replace("BODY", ""),
    "loops in a macro": "{% macro f() %}" + TWICE.replace("BODY", "") + "{% endmacro %}{{ f() }}",
    "branches": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "one long product": "{{ 10 ** (10 ** 10) }}",
}
GREEDY = {
    "writes": TWICE.replace("BODY", "x"),
    "calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "repeats": "{{ 'x' * 10 ** 10 }}",
    "repeats what it is given": "{% set n = 10 ** 10 %}{{ messages[0].content * n }}",
    "pads": "{{ 'x' | center(10 ** 10) }}",
    "formats": "{{ '%10000000000d' % 1 }}",
    "doubles": "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "joins": "{{ (range(99999) | map('string') | join('x')) * 99999 }}",
    "fills": "{{ 'x' | batch(10 ** 10, 'y') | list }}",
    "nests": "{% if 1 %}" * 30_000,
}
CURIOUS = {
    "includes": "{% include 'CANARY' %}",
    "imports": "{% import 'CANARY' as it %}",
    "imports a name": "{% from messages[0].content import it %}",
    "extends": "{% extends 'CANARY' %}",
    "classes": "{{ ''.__class__.__mro__ }}",
    "format": "{{ '{0.__class__.__mro__}'.format(1) }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "joiner": "{{ joiner.__init__.__globals__['os'].system('touch CANARY') }}",
    "namespace": "{{ namespace.__init__.__globals__['os'].system('touch CANARY') }}",
    "itself": "{{ self.__init__.__globals__ }}",
    "changes the conversation": "{{ messages.append(1) }}",
}
HARMLESS = {  # they fail, and nothing comes of it
    "lipsum": "{{ lipsum.__globals__['os'].popen('touch CANARY').read() }}",
    "open": "{{ open('CANARY') }}",
    "a huge range": "{{ range(10 ** 12) | list }}",
    "no template": "{% for %}",
    "a division": "{{ 1 / 0 }}",
    "the type itself": "{{ dict.update(messages[0], {'role': 'x'}) }}",
    "what is not there": "{{ messages[9].content.x }}",
}
