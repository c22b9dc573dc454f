"""Data planes: load balancers, APIs and buckets, as clients reach them.

A client signs nothing; the host name that it asks for has the Region in it (`NAME-ID.REGION.elb.amazonaws.com`,
`API.execute-api.REGION.amazonaws.com`, `BUCKET.s3.REGION.amazonaws.com`). MiniStack knows a request's Region by its
signature alone, so that without one it looks for everything in one Region; and it answers `/health` itself, whatever
the host. TLS is left out here, so each request counts as sent by TLS where a policy asks (`aws:SecureTransport`).

In MiniStack's CloudFormation a target group has no targets, and a Network Load Balancer has an Application Load
Balancer's ARN and name. The ones of its own: https://docs.aws.amazon.com/general/latest/gr/elb.html
"""

import re

from ministack.core import iam_evaluator, router
from ministack.services import alb
from ministack.services.cloudformation import provisioners

from correction import replace
from resources import answer, text

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
REGION = r"([a-z]{2}(?:-[a-z]+)+-[0-9])"
HOST = re.compile(rf"\.(?:elb|s3|execute-api)\.{REGION}\.amazonaws\.com|\.{REGION}\.elb\.amazonaws\.com")
OWN_HEALTH_PATH = "/health"


def extract_region(headers, query_params=None):
    asked = HOST.search(headers.get("host", "").lower())
    if asked and router.extract_signed_region(headers, query_params) is None:
        return asked.group(1) or asked.group(2)
    return emulated_extract_region(headers, query_params)


def create_load_balancer(logical_id, properties, stack_name):
    arn, attributes = emulated_create(logical_id, properties, stack_name)
    if properties.get("Type") != "network":
        return arn, attributes
    balancer = alb._lbs.pop(arn)
    network_arn = arn.replace(":loadbalancer/app/", ":loadbalancer/net/")
    name, region, domain = balancer["DNSName"].split(".", 2)
    balancer.update(LoadBalancerArn=network_arn, DNSName=f"{name}.elb.{region}.{domain.removeprefix('elb.')}")
    alb._lbs[network_arn] = balancer
    for store in (alb._tags, alb._lb_attrs):
        store[network_arn] = store.pop(arn)
    return network_arn, named({**attributes, "DNSName": balancer["DNSName"]}, network_arn)


def update_load_balancer(physical_id, *arguments):
    arn, attributes = emulated_update(physical_id, *arguments)
    return arn, named(attributes, arn)


def named(attributes, arn):
    """The attributes that an ARN gives."""
    return {**attributes, "Arn": arn, "LoadBalancerArn": arn, "LoadBalancerFullName": arn.split(":loadbalancer/")[1]}


def registering(make_target_group):
    """CloudFormation registers the template's targets, and lets go of those that it named before."""

    def make(*arguments):
        arn, attributes = make_target_group(*arguments)
        *before, after = [properties.get("Targets") or [] for properties in arguments if isinstance(properties, dict)]
        for call, targets in ((alb._deregister_targets, sum(before, [])), (alb._register_targets, after)):
            parameters = {"TargetGroupArn": arn}
            for number, target in enumerate(targets, start=1):
                for name, value in target.items():
                    parameters[f"Targets.member.{number}.{name}"] = text(value)
            answer(call(parameters))
        return arn, attributes

    return make


def condition_value(key, context):
    return "true" if key.lower() == "aws:securetransport" else emulated_condition_value(key, context)


def correct():
    global emulated_condition_value, emulated_create, emulated_extract_region, emulated_update
    emulated_extract_region = replace(router, "extract_region", extract_region)
    emulated_condition_value = replace(iam_evaluator, "_resolve_condition_key", condition_value)
    handlers = provisioners._RESOURCE_HANDLERS
    emulated_create, emulated_update = (handlers[LOAD_BALANCER][made] for made in ("create", "update"))
    handlers[LOAD_BALANCER].update(create=create_load_balancer, update=update_load_balancer)
    for made in ("create", "update"):
        handlers[TARGET_GROUP][made] = registering(handlers[TARGET_GROUP][made])


def correct_server(app):
    app._HEALTH_PATHS = tuple(path for path in app._HEALTH_PATHS if path != OWN_HEALTH_PATH)
