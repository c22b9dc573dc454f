"""Events of stacks: each is later than the one before it.

`sam deploy` follows a change by its events, and passes over those that are not later than the last one that it saw.
MiniStack gives the events of one millisecond the same time. When the one that ends the change is among them, and sam
looked just before it, sam waits for ever.
"""

from datetime import datetime, timedelta

from ministack.services.cloudformation import _stack_events, changesets, handlers, stacks

from correction import replace

# As AWS's answers have it: milliseconds.
FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
SHORTEST = timedelta(milliseconds=1)


def add_event(stack_id, *arguments, **named):
    emulated_add_event(stack_id, *arguments, **named)
    events = _stack_events[stack_id]
    if len(events) > 1 and events[-1]["Timestamp"] <= events[-2]["Timestamp"]:
        later = datetime.strptime(events[-2]["Timestamp"], FORM) + SHORTEST
        events[-1]["Timestamp"] = later.strftime(FORM)[:-4] + "Z"


def correct():
    global emulated_add_event
    emulated_add_event = replace(stacks, "_add_event", add_event)
    # They have taken the function over by its name.
    for module in (changesets, handlers):
        replace(module, "_add_event", add_event)
