"""CloudFormation: composite alarms, which MiniStack has in its CloudWatch API only."""

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

TYPE = "AWS::CloudWatch::CompositeAlarm"


def create_composite_alarm(_logical_id, properties, _stack_name):
    status, _, body = cloudwatch._put_composite_alarm({}, properties, is_cbor=False, is_json=True)
    if status >= 400:
        raise ValueError(body.decode())
    name = properties["AlarmName"]
    return name, {"Arn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}"}


def delete_composite_alarm(name, _properties):
    cloudwatch._composite_alarms.pop(name, None)


def correct():
    if TYPE in provisioners._RESOURCE_HANDLERS:
        raise SystemExit(f"this MiniStack has {TYPE}; the correction is no longer needed")
    provisioners._RESOURCE_HANDLERS[TYPE] = {"create": create_composite_alarm, "delete": delete_composite_alarm}
