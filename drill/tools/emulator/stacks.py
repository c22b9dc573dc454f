"""CloudFormation: composite alarms and the replicas of global tables, which MiniStack has in their own APIs only; what a
record set's `Ref` is; that a bucket with objects is not deleted; and that a container's port is a number, also when a
parameter says it.

MiniStack handles one request to DynamoDB at a time and writes to all replicas within it, so that reads and conditions
see every earlier write, whichever Region it was made in: what a strongly consistent global table promises.
"""

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, dynamodb, s3
from ministack.services.cloudformation import provisioners

COMPOSITE_ALARM = "AWS::CloudWatch::CompositeAlarm"
GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"
RECORD_SET = "AWS::Route53::RecordSet"
BUCKET = "AWS::S3::Bucket"
OF_ECS = ("AWS::ECS::Service", "AWS::ECS::TaskDefinition")
# What of them a template may take from a parameter.
NUMBERS = ("ContainerPort", "HostPort")


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


def named_as_given(make_record_set):
    """MiniStack ends the name with a dot, as in the zone; with one, a URL leads to another host name."""

    def make(*arguments):
        _, attributes = make_record_set(*arguments)
        properties = arguments[-2]  # The last but the stack's name, when it is made and when it is changed.
        return properties["Name"], attributes

    return make


def delete_bucket(name, properties):
    if name in s3._buckets and (s3._buckets[name]["objects"] or s3._bucket_has_versions(name)):
        raise ValueError(f"The bucket you tried to delete is not empty: {name}")
    emulated_delete_bucket(name, properties)


def with_numbers(value):
    """A parameter's value is text, and CloudFormation gives each property the type that it has in its schema."""
    if isinstance(value, dict):
        return {key: int(item) if key in NUMBERS else with_numbers(item) for key, item in value.items()}
    return [with_numbers(item) for item in value] if isinstance(value, list) else value


def given_numbers(handler):
    return lambda *arguments: handler(*(with_numbers(argument) for argument in arguments))


def correct():
    global emulated_delete_bucket
    handlers = provisioners._RESOURCE_HANDLERS
    if COMPOSITE_ALARM in handlers:
        raise SystemExit(f"this MiniStack has {COMPOSITE_ALARM}; the correction is no longer needed")
    handlers[COMPOSITE_ALARM] = {"create": create_composite_alarm, "delete": delete_composite_alarm}
    for made in ("create", "update"):
        handlers[RECORD_SET][made] = named_as_given(handlers[RECORD_SET][made])
    for kind in OF_ECS:
        for made in ("create", "update"):
            if made in handlers[kind]:
                handlers[kind][made] = given_numbers(handlers[kind][made])
    emulated_delete_bucket = handlers[BUCKET]["delete"]
    handlers[BUCKET]["delete"] = delete_bucket
    handlers[GLOBAL_TABLE]["create"] = with_replicas(handlers[GLOBAL_TABLE]["create"])
