"""Starts MiniStack 1.5.33 with corrections where it differs from AWS in what the orchestrator relies on.

`alarms`: what an alarm says, and that its delivery is tried again. `permissions`: what IAM checks a call on.
`simulation`: IAM's of a role's policies. `stacks`: composite alarms and the replicas of global tables in CloudFormation.
`resources`, `records`: the types that its CloudFormation lacks. `nested`: stacks within stacks. `events`: the times of
stacks' events. `data_planes`: requests that nobody signs. `data_api`: Aurora's statements. `executions`: those that are
stopped. `timeouts`: those that are expressions. Each replaced function has to be there.
"""

import alarms
import data_api
import data_planes
import events
import executions
import nested
import permissions
import records
import resources
import simulation
import stacks
import timeouts

CORRECTIONS = (
    alarms,
    data_api,
    data_planes,
    events,
    executions,
    nested,
    permissions,
    records,
    resources,
    simulation,
    stacks,
    timeouts,
)
for correction in CORRECTIONS:
    correction.correct()

from ministack import app  # noqa: E402 - only now, so that it takes up the corrected functions

data_planes.correct_server(app)
app.main()
