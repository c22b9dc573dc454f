"""CloudFormation: the types whose services MiniStack lacks. They are records, and nothing else follows from them.

| type | `Ref` | what changes without a new one |
| --- | --- | --- |
| `AWS::ApplicationAutoScaling::ScalableTarget` | `service/CLUSTER/SERVICE\\|ecs:service:DesiredCount\\|ecs` | limits, suspension |
| `AWS::ApplicationAutoScaling::ScalingPolicy` | the ARN | the configuration |
| `AWS::GlobalAccelerator::Accelerator` | the ARN | all |
| `AWS::GlobalAccelerator::Listener` | the ARN, below the accelerator's | all but the accelerator |
| `AWS::GlobalAccelerator::EndpointGroup` | the ARN, below the listener's | all but listener and Region |

A new scalable target brings its ECS service to at least the lower limit, as Application Auto Scaling does.

A record is read by AWS's Cloud Control API in the Region of its stack, whatever made it: `aws cloudcontrol
list-resources --type-name TYPE` has each one's identifier and properties, in which the values of references and what
CloudFormation left to the service (`DnsName`, `…Arn`) stand. The drill's gateway takes them from there.

From the types' references (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/).
"""

import json
import secrets
import uuid

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudcontrol, ecs

from resources import Type, add, json_answer

ACCELERATOR = "AWS::GlobalAccelerator::Accelerator"
LISTENER = "AWS::GlobalAccelerator::Listener"
ENDPOINT_GROUP = "AWS::GlobalAccelerator::EndpointGroup"
SCALABLE_TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
SCALING_POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


def recorded(type_name, identifier):
    """What is recorded of one in this Region, or None."""
    record = cloudcontrol._resources.get(cloudcontrol._resource_key(type_name, identifier))
    return json.loads(record["Properties"]) if record else None


def global_records(type_name):
    """All of a type of Global Accelerator's, which has one for all Regions, by ARN."""
    return {
        record["Identifier"]: json.loads(record["Properties"])
        for record in cloudcontrol._resources._data.values()
        if record["TypeName"] == type_name
    }


class Recorded(Type):
    """A type of which there is nothing but its record."""

    name = ""

    def identity(self, properties):
        """Gives the physical id and the attributes of a new one."""
        raise NotImplementedError

    def create(self, properties):
        identifier, attributes = self.identity(properties)
        if recorded(self.name, identifier):
            raise ValueError(f"{identifier} already exists")
        self.record(identifier, properties, attributes)
        return identifier, attributes

    def modify(self, identifier, old, new):
        known = recorded(self.name, identifier)
        attributes = {name: value for name, value in known.items() if name not in old}
        self.record(identifier, new, attributes)
        return attributes

    def delete(self, identifier, _properties):
        cloudcontrol._resources.pop(cloudcontrol._resource_key(self.name, identifier), None)

    def record(self, identifier, properties, attributes):
        cloudcontrol._resources[cloudcontrol._resource_key(self.name, identifier)] = {
            "TypeName": self.name,
            "Identifier": identifier,
            "Properties": json.dumps({**properties, **attributes}),
        }


def refuse_while(type_name, reference, identifier):
    """As the API does: what others belong to is not deleted."""
    below = [one for one, properties in global_records(type_name).items() if properties[reference] == identifier]
    if below:
        raise ValueError(f"{identifier} still has {', '.join(below)}")


def below(parent_type, parent, kind, digits):
    """The ARN of a new listener or endpoint group. Its parent has to be there."""
    if parent not in global_records(parent_type):
        raise ValueError(f"there is no {parent_type} {parent}")
    return f"{parent}/{kind}/{secrets.token_hex(digits // 2)}"


class Accelerator(Recorded):
    name = ACCELERATOR
    kept = frozenset({"Name", "Enabled", "IpAddressType", "IpAddresses", "Tags"})

    def identity(self, properties):
        arn = f"arn:aws:globalaccelerator::{get_account_id()}:accelerator/{uuid.uuid4()}"
        return arn, {"AcceleratorArn": arn, "DnsName": f"a{secrets.token_hex(8)}.awsglobalaccelerator.com"}

    def delete(self, identifier, properties):
        refuse_while(LISTENER, "AcceleratorArn", identifier)
        super().delete(identifier, properties)


class Listener(Recorded):
    name = LISTENER
    kept = frozenset({"Protocol", "PortRanges", "ClientAffinity"})

    def identity(self, properties):
        arn = below(ACCELERATOR, properties["AcceleratorArn"], "listener", 8)
        return arn, {"ListenerArn": arn}

    def delete(self, identifier, properties):
        refuse_while(ENDPOINT_GROUP, "ListenerArn", identifier)
        super().delete(identifier, properties)


class EndpointGroup(Recorded):
    name = ENDPOINT_GROUP
    kept = frozenset(
        {
            "EndpointConfigurations",
            "HealthCheckIntervalSeconds",
            "HealthCheckPath",
            "HealthCheckPort",
            "HealthCheckProtocol",
            "PortOverrides",
            "ThresholdCount",
            "TrafficDialPercentage",
        }
    )

    def identity(self, properties):
        arn = below(LISTENER, properties["ListenerArn"], "endpoint-group", 12)
        return arn, {"EndpointGroupArn": arn}


class ScalableTarget(Recorded):
    name = SCALABLE_TARGET
    kept = frozenset({"MinCapacity", "MaxCapacity", "SuspendedState", "RoleARN"})

    def identity(self, properties):
        parts = (properties[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        identifier = "|".join(parts)
        return identifier, {"Id": identifier}

    def record(self, identifier, properties, attributes):
        if properties["ServiceNamespace"] != "ecs":
            raise ValueError(f"only services of ECS are known here, not {properties['ServiceNamespace']}")
        _, cluster, service = properties["ResourceId"].split("/")
        described = json_answer(ecs._describe_services({"cluster": cluster, "services": [service]}))
        if not described["services"]:
            raise ValueError(f"ECS service doesn't exist: {properties['ResourceId']}")
        least = int(properties["MinCapacity"])
        if described["services"][0]["desiredCount"] < least:
            json_answer(ecs._update_service({"cluster": cluster, "service": service, "desiredCount": least}))
        super().record(identifier, properties, attributes)


class ScalingPolicy(Recorded):
    name = SCALING_POLICY
    kept = frozenset({"PolicyType", "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration"})

    def identity(self, properties):
        target = properties["ScalingTargetId"]
        if recorded(SCALABLE_TARGET, target) is None:
            raise ValueError(f"there is no {SCALABLE_TARGET} {target}")
        resource, _, namespace = target.split("|")
        arn = (
            f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{uuid.uuid4()}"
            f":resource/{namespace}/{resource}:policyName/{properties['PolicyName']}"
        )
        return arn, {"Arn": arn}


TYPES = (Accelerator(), Listener(), EndpointGroup(), ScalableTarget(), ScalingPolicy())


def correct():
    add({resource_type.name: resource_type for resource_type in TYPES})
