"""IAM's simulation of a role's policies: on every resource of the question, with the condition keys that it brings.

From the API reference (https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html). MiniStack
looks at the first resource alone and at no condition key.
"""

from xml.sax.saxutils import escape

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam

from correction import replace

DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny"}


def members(params, name):
    """The values of a list: parameters that are numbered from 1."""
    values = []
    while value := iam._p(params, f"{name}.member.{len(values) + 1}"):
        values.append(value)
    return values


def context(params):
    keys = {}
    number = 1
    while key := iam._p(params, f"ContextEntries.member.{number}.ContextKeyName"):
        entry = f"ContextEntries.member.{number}"
        values = members(params, f"{entry}.ContextKeyValues")
        is_list = iam._p(params, f"{entry}.ContextKeyType").endswith("List")
        keys[key.lower()] = values if is_list else "".join(values)
        number += 1
    return keys


def question(params):
    """What is asked: the actions, and on what they are asked."""
    resources = members(params, "ResourceArns") or ["*"]
    return members(params, "ActionNames"), (resources, context(params))


def results(actions, asked, principal_arn, account_id, policies):
    resources, keys = asked
    answers = ""
    for action in actions:
        for resource in resources:
            request = iam_evaluator.EvalContext(
                principal_arn=principal_arn,
                principal_type="AssumedRole",
                principal_account=account_id,
                action=action,
                resource_arn=resource,
                region=get_region(),
                service_context=keys,
            )
            decision = DECISIONS.get(iam_evaluator.evaluate(request, policies).decision, "implicitDeny")
            answers += (
                f"<member><EvalActionName>{escape(action)}</EvalActionName>"
                f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
                f"<EvalDecision>{decision}</EvalDecision></member>"
            )
    return answers


def correct():
    replace(iam, "_extract_simulate_params", question)
    replace(iam, "_build_simulate_results_real", results)
