"""Executions that are stopped.

StopExecution ends an execution as ABORTED, and nothing of it is scheduled any more, whatever state it is in (Step
Functions API reference, StopExecution). MiniStack looks at the status between top-level states only: what is under way
within a Parallel or Map goes on to schedule tasks, and a failure in it turns ABORTED into FAILED.
"""

from ministack.services import stepfunctions

from correction import replace

STOPPED = "ABORTED"


class Stopped(Exception):
    """No error of a state, so that no Catch or Retry takes it up."""


def add_event(execution, kind, *details, **named_details):
    if kind == "TaskScheduled" and execution["status"] == STOPPED:
        raise Stopped(execution["executionArn"])
    return emulated_add_event(execution, kind, *details, **named_details)


def fail_execution(execution, error, cause):
    if execution["status"] != STOPPED:
        emulated_fail_execution(execution, error, cause)


def correct():
    global emulated_add_event, emulated_fail_execution
    emulated_add_event = replace(stepfunctions, "_add_event", add_event)
    emulated_fail_execution = replace(stepfunctions, "_fail_execution", fail_execution)
