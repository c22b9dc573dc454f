"""Alarms and their deliveries, as AWS does them.

SNS invokes Lambda asynchronously, so a failed invocation is tried twice more and then goes to the function's failure
destination (Lambda developer guide, "Using Lambda with Amazon SNS" and "Invoking a Lambda function asynchronously").
MiniStack invokes once and forgets.

An alarm's message has the alarm's ARN, the Region's display name and, for a composite alarm, its rule and children
instead of a metric (CloudWatch user guide, "Notifying users on alarm changes"). MiniStack leaves out the ARN and
describes every alarm as a metric alarm.
"""

import json
from datetime import datetime, timezone

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, lambda_svc, sns

from correction import replace

REGION_NAMES = {
    "eu-central-1": "EU (Frankfurt)",
    "eu-west-1": "EU (Ireland)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
}
ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def deliver_to_lambda(endpoint, envelope, _topic_arn, subscription_arn, _id, _message, _attributes):
    function, configuration, name = lambda_svc._get_func_record_for_ref(endpoint)
    if not function or not configuration:
        sns.logger.warning("SNS: there is no Lambda function %s", name)
        return
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "EventSource": "aws:sns",
        "Sns": json.loads(envelope),
    }
    target = lambda_svc._execution_record_for_config(function, configuration)
    lambda_svc.invoke_async_with_retry(target, {"Records": [record]})


def trigger(alarm):
    return {
        "MetricName": alarm.get("MetricName", ""),
        "Namespace": alarm.get("Namespace", ""),
        "StatisticType": "Statistic",
        "Statistic": alarm.get("Statistic", "").upper(),
        "Unit": alarm.get("Unit"),
        "Dimensions": [{"value": pair["Value"], "name": pair["Name"]} for pair in alarm.get("Dimensions", [])],
        "Period": alarm.get("Period", 60),
        "EvaluationPeriods": alarm.get("EvaluationPeriods", 1),
        "ComparisonOperator": alarm.get("ComparisonOperator", ""),
        "Threshold": alarm.get("Threshold", 0.0),
        "TreatMissingData": alarm.get("TreatMissingData") or "missing",
    }


def triggering_children(alarm):
    children = json.loads(alarm.get("StateReasonData") or "{}").get("triggeringAlarms", [])
    return [
        {"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}}
        for child in children
    ]


def message(alarm, old_state, new_state, reason):
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
    text = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": get_account_id(),
        "NewStateValue": new_state,
        "NewStateReason": reason,
        "StateChangeTime": now,
        "Region": REGION_NAMES.get(get_region(), get_region()),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": old_state,
    }
    text.update({actions: alarm.get(actions) or [] for actions in ACTIONS.values()})
    if "AlarmRule" in alarm:
        text.update({"AlarmRule": alarm["AlarmRule"], "TriggeringChildren": triggering_children(alarm)})
    else:
        text["Trigger"] = trigger(alarm)
    return json.dumps(text)


def dispatch_alarm_actions(alarm, old_state, new_state, reason):
    if not alarm.get("ActionsEnabled", True) or new_state not in ACTIONS:
        return
    subject = f'{new_state}: "{alarm["AlarmName"]}" in {REGION_NAMES.get(get_region(), get_region())}'[:100]
    for arn in alarm.get(ACTIONS[new_state]) or []:
        if cloudwatch._is_sns_action_arn(arn):
            sns._fanout(arn, new_uuid(), message(alarm, old_state, new_state, reason), subject)


def correct():
    replace(sns, "_deliver_to_lambda", deliver_to_lambda)
    replace(cloudwatch, "_dispatch_alarm_actions", dispatch_alarm_actions)
