"""CloudFormation: the types whose services MiniStack has, but not in its stacks. What is deployed is really there.

| type | made by the API's | what changes without a new one |
| --- | --- | --- |
| `AWS::RDS::GlobalCluster` | `CreateGlobalCluster` | `EngineVersion`, `DeletionProtection` |
| `AWS::Route53::HealthCheck` | `CreateHealthCheck` | the check, but its `Type`, `RequestInterval`, `MeasureLatency` |
| `AWS::EC2::SecurityGroupIngress` | `AuthorizeSecurityGroupIngress` | nothing |
| `AWS::EC2::VPCPeeringConnection` | `CreateVpcPeeringConnection`, `Accept…` | tags |
| `AWS::EC2::FlowLog` | `CreateFlowLogs` | tags |
| `AWS::SecretsManager::RotationSchedule` | `RotateSecret`, which does not rotate: see below | the rules |
| `AWS::Backup::BackupSelection` | `CreateBackupSelection` | nothing |
| `AWS::Events::Endpoint` | `CreateEndpoint` | all but its name |

An `AWS::RDS::DBCluster` that names a global cluster joins it, first as the writer, and leaves it before it is deleted;
one that is protected is not deleted; a cluster's first instance is its writer. MiniStack leaves each cluster alone, and
calls all instances writers.

MiniStack's RotateSecret makes a new version and runs no function. The templates say `RotateImmediatelyOnUpdate: false`,
so the rules are kept and no version is made. The function of a `HostedRotationLambda`, which AWS takes from a
repository of its own, is named and not there.

From the types' references (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/).
"""

import json
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import backup, ec2, eventbridge, rds, route53, secretsmanager
from ministack.services.cloudformation import provisioners

from correction import replace

DB_CLUSTER = "AWS::RDS::DBCluster"
DB_INSTANCE = "AWS::RDS::DBInstance"


class Type:
    """A resource type. `kept` are the properties that change in place; a change of any other one makes a new resource."""

    kept = frozenset()

    def create(self, properties):
        """Gives the physical id and the attributes."""
        raise NotImplementedError

    def delete(self, physical_id, properties):
        raise NotImplementedError

    def modify(self, physical_id, old, new):
        """Gives the attributes, after a change of what is `kept`."""
        raise NotImplementedError

    def handlers(self):
        return {
            "create": lambda _logical_id, properties, _stack_name: self.create(properties),
            "update": self.update,
            "delete": self.delete,
        }

    def update(self, physical_id, old, new, _stack_name):
        changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        if changed <= self.kept:
            return physical_id, self.modify(physical_id, old, new)
        return self.create(new)  # CloudFormation deletes the old one once the update has succeeded.


def text(value):
    """A value in the query protocol or in XML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_true(value):
    return text(value).lower() == "true"


def answer(response):
    """The body of an API's answer. What the API refuses, the stack does, with the API's words."""
    status, _, body = response
    if status >= 400:
        raise ValueError(body.decode() if isinstance(body, bytes) else str(body))
    return body


def json_answer(response):
    return json.loads(answer(response) or "{}")


def xml_texts(response, tag):
    elements = ElementTree.fromstring(answer(response)).iter()
    return [element.text for element in elements if element.tag.rsplit("}", 1)[-1] == tag]


def tagged(physical_id, old, new):
    provisioners._ec2_apply_tags(physical_id, new, old)
    return {"Id": physical_id}


# === RDS ==========================================================================================================


class GlobalCluster(Type):
    kept = frozenset({"EngineVersion", "DeletionProtection"})

    def create(self, properties):
        name = properties["GlobalClusterIdentifier"]
        answer(rds._create_global_cluster({key: text(value) for key, value in properties.items()}))
        return name, self.attributes(name)

    def modify(self, name, _old, new):
        answer(
            rds._modify_global_cluster(
                {
                    "GlobalClusterIdentifier": name,
                    "EngineVersion": text(new.get("EngineVersion", "")),
                    "DeletionProtection": text(new.get("DeletionProtection", False)),
                }
            )
        )
        return self.attributes(name)

    def delete(self, name, _properties):
        if name in rds._global_clusters:
            answer(rds._delete_global_cluster({"GlobalClusterIdentifier": name}))

    @staticmethod
    def attributes(name):
        return {"GlobalEndpoint.Address": f"{name}.global-{get_account_id()}.global.rds.amazonaws.com"}


def joining(create_cluster):
    def create(logical_id, properties, stack_name):
        name = properties.get("GlobalClusterIdentifier")
        if not name:
            return create_cluster(logical_id, properties, stack_name)
        global_cluster = rds._resolve_global_cluster(name)
        if global_cluster is None:
            raise ValueError(f"GlobalClusterNotFoundFault: Global cluster {name} not found.")
        if rds._global_cluster_member_in_request_region(global_cluster):
            raise ValueError(f"Global cluster {name} already has a member in {get_region()}.")
        writer = rds._global_cluster_writer_cluster(global_cluster)
        created = create_cluster(logical_id, properties, stack_name)
        cluster = rds._clusters[created[0]]
        cluster["EngineVersion"] = global_cluster["EngineVersion"]
        if writer is not None:
            for field in ("MasterUsername", "_MasterUserPassword", "DatabaseName"):
                cluster[field] = writer.get(field)
        rds._attach_cluster_to_global(global_cluster, cluster, is_writer=writer is None)
        return created

    return create


def leaving(delete_cluster):
    def delete(physical_id, properties):
        cluster = rds._clusters.get(physical_id)
        if cluster is not None and cluster.get("DeletionProtection"):
            raise ValueError(f"Cannot delete protected Cluster, please disable deletion protection: {physical_id}")
        global_cluster = cluster.get("GlobalClusterIdentifier") if cluster else None
        if global_cluster:
            answer(
                rds._remove_from_global_cluster(
                    {"GlobalClusterIdentifier": global_cluster, "DbClusterIdentifier": cluster["DBClusterArn"]}
                )
            )
        delete_cluster(physical_id, properties)

    return delete


def with_one_writer(create_instance):
    def create(logical_id, properties, stack_name):
        created = create_instance(logical_id, properties, stack_name)
        cluster = rds._clusters.get(properties.get("DBClusterIdentifier") or "")
        for number, member in enumerate(cluster["DBClusterMembers"] if cluster else []):
            member["IsClusterWriter"] = number == 0
        return created

    return create


# === Route 53 =====================================================================================================


class HealthCheck(Type):
    kept = frozenset({"HealthCheckConfig", "HealthCheckTags"})
    FIXED = ("Type", "RequestInterval", "MeasureLatency")

    def create(self, properties):
        config = self.xml(properties["HealthCheckConfig"])
        request = (
            f"<CreateHealthCheckRequest><CallerReference>{new_uuid()}</CallerReference>"
            f"<HealthCheckConfig>{config}</HealthCheckConfig></CreateHealthCheckRequest>"
        )
        check = xml_texts(route53._create_health_check(request.encode()), "Id")[0]
        self.tag(check, {}, properties)
        return check, {"HealthCheckId": check}

    def update(self, check, old, new, stack_name):
        before, after = old["HealthCheckConfig"], new["HealthCheckConfig"]
        if any(before.get(name) != after.get(name) for name in self.FIXED):
            return self.create(new)
        return super().update(check, old, new, stack_name)

    def modify(self, check, old, new):
        request = f"<UpdateHealthCheckRequest>{self.xml(new['HealthCheckConfig'])}</UpdateHealthCheckRequest>"
        answer(route53._update_health_check(check, request.encode()))
        self.tag(check, old, new)
        return {"HealthCheckId": check}

    def delete(self, check, _properties):
        if check in route53._health_checks:
            answer(route53._delete_health_check(check))
            route53._tags.pop(("healthcheck", check), None)

    @staticmethod
    def xml(config):
        def element(name, value):
            if isinstance(value, list):
                inner = "".join(element(name.removesuffix("s"), item) for item in value)
            elif isinstance(value, dict):
                inner = "".join(element(key, item) for key, item in value.items())
            else:
                inner = escape(text(value))
            return f"<{name}>{inner}</{name}>"

        return "".join(element(name, value) for name, value in config.items())

    @staticmethod
    def tag(check, old, new):
        tags = dict(route53._tags.get(("healthcheck", check), {}))
        provisioners._reconcile_tag_map(tags, old, new, "HealthCheckTags")
        route53._tags[("healthcheck", check)] = tags


def parsed_health_check(element):
    """MiniStack looks for the text of a list's items one level too deep, and finds none."""
    config = emulated_parsed_health_check(element)
    for name, item in (("ChildHealthChecks", "ChildHealthCheck"), ("Regions", "Region")):
        if name in config:
            config[name] = [child.text for child in route53._findall(route53._find(element, name), item)]
    return config


def build_health_check(parent, check):
    """MiniStack writes Python's "True", which no client reads as true."""
    emulated_build_health_check(parent, check)
    for element in parent.iter():
        if element.text in ("True", "False"):
            element.text = element.text.lower()


# === EC2 ==========================================================================================================


class SecurityGroupIngress(Type):
    def create(self, properties):
        parameters = {"GroupId": properties["GroupId"], **self.permission(properties)}
        rules = xml_texts(ec2._authorize_sg_ingress(parameters), "securityGroupRuleId")
        return rules[0], {"Id": rules[0]}

    def delete(self, rule, properties):
        group = ec2._security_groups.get(properties["GroupId"])
        if group and any(ec2._sg_rule_id(group["GroupId"], False, known) == rule for known in group["IpPermissions"]):
            answer(ec2._revoke_sg_ingress({"GroupId": group["GroupId"], "SecurityGroupRuleId.1": rule}))

    @staticmethod
    def permission(properties):
        prefix = "IpPermissions.1"
        parameters = {f"{prefix}.IpProtocol": properties["IpProtocol"]}
        for name in ("FromPort", "ToPort"):
            if name in properties:
                parameters[f"{prefix}.{name}"] = text(properties[name])
        if "SourceSecurityGroupId" in properties:
            source, value = "Groups.1", ("GroupId", properties["SourceSecurityGroupId"])
        elif "CidrIp" in properties:
            source, value = "IpRanges.1", ("CidrIp", properties["CidrIp"])
        else:
            raise ValueError(f"of a rule's sources, CidrIp and SourceSecurityGroupId are known here: {properties}")
        parameters[f"{prefix}.{source}.{value[0]}"] = value[1]
        parameters[f"{prefix}.{source}.Description"] = properties.get("Description", "")
        return parameters


class VpcPeeringConnection(Type):
    """CloudFormation accepts the connection, too, when both VPCs are the account's."""

    kept = frozenset({"Tags"})

    def create(self, properties):
        peer = (get_account_id(), properties.get("PeerRegion", get_region()))
        if ec2._vpcs.get_scoped(*peer, properties["PeerVpcId"]) is None:
            raise ValueError(f"there is no VPC {properties['PeerVpcId']} in {peer[1]}")
        parameters = {name: properties[name] for name in ("VpcId", "PeerVpcId", "PeerRegion") if name in properties}
        connection = xml_texts(ec2._create_vpc_peering_connection(parameters), "vpcPeeringConnectionId")[0]
        answer(ec2._accept_vpc_peering_connection({"VpcPeeringConnectionId": connection}))
        return connection, tagged(connection, {}, properties)

    def modify(self, connection, old, new):
        return tagged(connection, old, new)

    def delete(self, connection, _properties):
        if connection in ec2._vpc_peering:
            answer(ec2._delete_vpc_peering_connection({"VpcPeeringConnectionId": connection}))


class FlowLog(Type):
    kept = frozenset({"Tags"})

    def create(self, properties):
        names = ("ResourceType", "TrafficType", "LogDestinationType", "LogDestination", "LogGroupName")
        parameters = {name: properties[name] for name in names if name in properties}
        parameters["ResourceId.1"] = properties["ResourceId"]
        log = xml_texts(ec2._create_flow_logs(parameters), "item")[0]
        return log, tagged(log, {}, properties)

    def modify(self, log, old, new):
        return tagged(log, old, new)

    def delete(self, log, _properties):
        answer(ec2._delete_flow_logs({"FlowLogId.1": log}))


# === Secrets Manager, Backup, EventBridge =========================================================================


class RotationSchedule(Type):
    kept = frozenset({"RotationRules", "RotationLambdaARN", "HostedRotationLambda", "RotateImmediatelyOnUpdate"})

    def create(self, properties):
        arn = self.secret(properties)["ARN"]
        return arn, self.modify(arn, {}, properties)

    def modify(self, _arn, _old, new):
        if is_true(new.get("RotateImmediatelyOnUpdate", True)):
            raise ValueError("a rotation at once is not known here, only RotateImmediatelyOnUpdate: false")
        hosted = new.get("HostedRotationLambda", {})
        rules = {name: text(value) for name, value in new.get("RotationRules", {}).items()}
        function = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{hosted.get('RotationLambdaName', '')}"
        self.secret(new).update(
            RotationEnabled=True,
            RotationLambdaARN=new.get("RotationLambdaARN", function),
            RotationRules={name: int(value) if value.isdigit() else value for name, value in rules.items()},
        )
        return {}

    def delete(self, _arn, properties):
        _, secret = secretsmanager._resolve(properties["SecretId"])
        if secret:
            secret["RotationEnabled"] = False

    @staticmethod
    def secret(properties):
        _, secret = secretsmanager._resolve(properties["SecretId"])
        if not secret:
            raise ValueError(f"Secrets Manager can't find the specified secret: {properties['SecretId']}")
        return secret


class BackupSelection(Type):
    def create(self, properties):
        plan = properties["BackupPlanId"]
        created = json_answer(backup._create_selection(plan, {"BackupSelection": properties["BackupSelection"]}))
        selection = created["SelectionId"]
        return selection, {"BackupPlanId": plan, "SelectionId": selection, "Id": f"{plan}_{selection}"}

    def delete(self, selection, properties):
        if selection in backup._selections:
            answer(backup._delete_selection(properties["BackupPlanId"], selection))


class EventsEndpoint(Type):
    kept = frozenset({"Description", "RoutingConfig", "ReplicationConfig", "EventBuses", "RoleArn"})

    def create(self, properties):
        answer(eventbridge._create_endpoint(properties))
        return properties["Name"], self.attributes(properties["Name"])

    def modify(self, name, _old, new):
        answer(eventbridge._update_endpoint(new))
        return self.attributes(name)

    def delete(self, name, _properties):
        if name in eventbridge._endpoints:
            answer(eventbridge._delete_endpoint({"Name": name}))

    @staticmethod
    def attributes(name):
        endpoint = eventbridge._endpoints[name]
        return {
            "Arn": endpoint["Arn"],
            "EndpointId": endpoint["Name"],
            "EndpointUrl": endpoint["EndpointUrl"],
            "State": endpoint["State"],
        }


TYPES = {
    "AWS::RDS::GlobalCluster": GlobalCluster(),
    "AWS::Route53::HealthCheck": HealthCheck(),
    "AWS::EC2::SecurityGroupIngress": SecurityGroupIngress(),
    "AWS::EC2::VPCPeeringConnection": VpcPeeringConnection(),
    "AWS::EC2::FlowLog": FlowLog(),
    "AWS::SecretsManager::RotationSchedule": RotationSchedule(),
    "AWS::Backup::BackupSelection": BackupSelection(),
    "AWS::Events::Endpoint": EventsEndpoint(),
}


def add(types):
    """Gives CloudFormation types that it lacks."""
    handlers = provisioners._RESOURCE_HANDLERS
    for name, resource_type in types.items():
        if name in handlers:
            raise SystemExit(f"this MiniStack has {name}; the correction is no longer needed")
        handlers[name] = resource_type.handlers()


def correct():
    global emulated_build_health_check, emulated_parsed_health_check
    add(TYPES)
    for name in ("AWS::EC2::VPCPeeringConnection", "AWS::EC2::FlowLog"):
        provisioners._STACK_TAG_PROPERTY[name] = ("Tags", "list")
    handlers = provisioners._RESOURCE_HANDLERS
    handlers[DB_CLUSTER]["create"] = joining(handlers[DB_CLUSTER]["create"])
    handlers[DB_CLUSTER]["delete"] = leaving(handlers[DB_CLUSTER]["delete"])
    handlers[DB_INSTANCE]["create"] = with_one_writer(handlers[DB_INSTANCE]["create"])
    emulated_parsed_health_check = replace(route53, "_parse_health_check_config", parsed_health_check)
    emulated_build_health_check = replace(route53, "_build_health_check_el", build_health_check)
