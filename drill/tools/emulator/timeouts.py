"""Timeouts of tasks, given as an expression.

With JSONata a task's TimeoutSeconds may be an expression (Step Functions developer guide, "Task workflow state").
MiniStack waits for a task token by the field as it stands, so that an expression is a TypeError. The definition's
expressions are numbers, put there by the stack's parameters; anything else is refused here, not guessed.
"""

import re

from ministack.services import stepfunctions

from correction import replace

NUMBER = re.compile(r"\{%\s*([0-9]+)\s*%\}")


def with_numbers(invoke):
    def corrected(resource, input_data, token, state):
        timeout = state.get("TimeoutSeconds")
        if isinstance(timeout, str):
            number = NUMBER.fullmatch(timeout)
            if number is None:
                raise ValueError(f"TimeoutSeconds {timeout!r}: only a number is understood here")
            state = {**state, "TimeoutSeconds": int(number.group(1))}
        return invoke(resource, input_data, token, state)

    return corrected


def correct():
    replace(stepfunctions, "_invoke_with_callback", with_numbers(stepfunctions._invoke_with_callback))
