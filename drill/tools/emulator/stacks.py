"""CloudFormation: composite alarms and the replicas of global tables, which MiniStack has in their own APIs only.

MiniStack handles one request to DynamoDB at a time and writes to all replicas within it, so that reads and conditions
see every earlier write, whichever Region it was made in: what a strongly consistent global table promises.
"""

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, dynamodb
from ministack.services.cloudformation import provisioners

COMPOSITE_ALARM = "AWS::CloudWatch::CompositeAlarm"
GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"


def create_composite_alarm(_logical_id, properties, _stack_name):
    status, _, body = cloudwatch._put_composite_alarm({}, properties, is_cbor=False, is_json=True)
    if status >= 400:
        raise ValueError(body.decode())
    name = properties["AlarmName"]
    return name, {"Arn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}"}


def delete_composite_alarm(name, _properties):
    cloudwatch._composite_alarms.pop(name, None)


def with_replicas(create_table):
    def create(logical_id, properties, stack_name):
        created = create_table(logical_id, properties, stack_name)
        regions = [replica["Region"] for replica in properties["Replicas"] if replica["Region"] != get_region()]
        name = created[0]
        refused = dynamodb._apply_replica_updates(
            name, dynamodb._tables[name], [{"Create": {"RegionName": region}} for region in regions]
        )
        if refused:
            raise ValueError(str(refused))
        return created

    return create


def correct():
    handlers = provisioners._RESOURCE_HANDLERS
    if COMPOSITE_ALARM in handlers:
        raise SystemExit(f"this MiniStack has {COMPOSITE_ALARM}; the correction is no longer needed")
    handlers[COMPOSITE_ALARM] = {"create": create_composite_alarm, "delete": delete_composite_alarm}
    handlers[GLOBAL_TABLE]["create"] = with_replicas(handlers[GLOBAL_TABLE]["create"])
