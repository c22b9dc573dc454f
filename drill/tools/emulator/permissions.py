"""IAM: what each call is authorised on, and the condition keys it has.

From the Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/).
MiniStack checks many calls on "*" or on the cluster, so that roles with exact ARNs are refused.
"""

import json
from xml.etree import ElementTree

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region

from correction import replace


class Resources(str):
    """The first of several resources; a call has to be allowed on each of them."""

    def __new__(cls, arns):
        self = super().__new__(cls, arns[0])
        self.all = arns
        return self


def first(params, name):
    value = params.get(name) or [""]
    return value[0] if isinstance(value, list) else value


def rds_resources(params, region, account):
    def cluster(name):
        return name if name.startswith("arn:") else f"arn:aws:rds:{region}:{account}:cluster:{name}"

    arns = []
    if first(params, "Action") == "DescribeDBInstances":
        arns.append(f"arn:aws:rds:{region}:{account}:db:{first(params, 'DBInstanceIdentifier') or '*'}")
    elif "GlobalCluster" in first(params, "Action"):
        arns.append(f"arn:aws:rds::{account}:global-cluster:{first(params, 'GlobalClusterIdentifier') or '*'}")
    for name in ("DBClusterIdentifier", "DbClusterIdentifier", "TargetDbClusterIdentifier"):
        if first(params, name):
            arns.append(cluster(first(params, name)))
    return arns


def ecs_cluster(body):
    return json.loads(body or b"{}").get("cluster", "default").rsplit("/", 1)[-1]


def ecs_services(body, region, account):
    data = json.loads(body or b"{}")
    names = data.get("services") or [data[key] for key in ("service", "serviceName") if data.get(key)]
    prefix = f"arn:aws:ecs:{region}:{account}:service/{ecs_cluster(body)}"
    return [f"{prefix}/{name.rsplit('/', 1)[-1]}" for name in names]


def resource(service, method, path, headers, body, params, region, account):
    arns = []
    operation = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if service == "rds":
        arns = rds_resources(params, region, account)
    elif service == "ecs" and operation == "ListServices":
        return "*"
    elif service == "ecs" and operation in ("DescribeServices", "UpdateService"):
        arns = ecs_services(body, region, account)
    elif service == "route53" and "/change/" in path:
        arns = ["arn:aws:route53:::change/" + path.rsplit("/", 1)[-1]]
    elif service == "route53" and "/healthcheck/" in path:
        arns = ["arn:aws:route53:::healthcheck/" + path.rsplit("/", 1)[-1]]
    elif service == "iam" and first(params, "PolicySourceArn"):
        arns = [first(params, "PolicySourceArn")]
    if arns:
        return Resources(arns)
    return emulated_resource(service, method, path, headers, body, params, region, account)


def record_changes(body):
    """The condition keys of a change batch. An alias target has neither name nor type of its own."""
    changes = [element for element in ElementTree.fromstring(body).iter() if element.tag.endswith("}Change")]

    def texts(tag):
        return sorted({element.text for change in changes for element in change.iter() if element.tag.endswith("}" + tag)})

    prefix = "route53:ChangeResourceRecordSets"
    return {
        prefix + "NormalizedRecordNames": sorted({name.lower().rstrip(".") for name in texts("Name")}),
        prefix + "RecordTypes": texts("Type"),
        prefix + "Actions": texts("Action"),
    }


def context(service, iam_action, body, params):
    keys = emulated_context(service, iam_action, body, params)
    if service == "ecs":
        keys["ecs:cluster"] = f"arn:aws:ecs:{get_region()}:{get_account_id()}:cluster/{ecs_cluster(body)}"
    if iam_action == "route53:ChangeResourceRecordSets":
        keys.update(record_changes(body))
    return keys


def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    for arn in getattr(resource_arn, "all", [resource_arn]):
        denied = emulated_enforce(access_key_id, iam_action, service, region, arn, service_context)
        if denied is not None:
            return denied
    return None


def correct():
    global emulated_resource, emulated_context, emulated_enforce
    emulated_resource = replace(iam_actions, "extract_resource_arn", resource)
    emulated_context = replace(iam_actions, "request_tag_context", context)
    emulated_enforce = replace(iam_evaluator, "enforce", enforce)
