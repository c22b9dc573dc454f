"""Lints every policy document of the templates with parliament: unknown actions and condition keys, resources that an
action does not have, resources that could be narrower, principals and operators that do not exist.

An exception stands in the template, within the statement:

    # parliament:skip=FINDING: reason

One that excepts nothing is a finding, too. Exits with 1 when there is a finding.
"""

import json
import re
import sys

from parliament import analyze_policy_string, enhance_finding

from cloudformation import read_template, template_files

# Pseudo parameters and, for everything that a template leaves open, a name.
REGION, ACCOUNT, NAME = "eu-central-1", "123456789012", "example"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{NAME}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{NAME}-AbCdEf"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
# What a reference to a resource is in a policy.
RESOURCES = {
    ("AWS::SNS::Topic", "Ref"): f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}",
    ("AWS::SSM::Parameter", "Ref"): f"/{NAME}",
    ("AWS::SQS::Queue", "Arn"): f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}",
    ("AWS::S3::Bucket", "Arn"): f"arn:aws:s3:::{NAME}",
    ("AWS::Events::EventBus", "Arn"): f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{NAME}",
    ("AWS::Events::Rule", "Arn"): f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{NAME}",
    ("AWS::IAM::Role", "Arn"): ROLE,
    ("AWS::Lambda::Function", "Arn"): f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}",
    ("AWS::Serverless::Function", "Arn"): f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}",
    ("AWS::Logs::LogGroup", "Arn"): f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{NAME}:*",
}
# What parameters hold that is more than a name, as their descriptions say.
PARAMETERS = {
    "PrimaryRegion": ["eu-west-1"],
    "PeerRegion": ["eu-west-1"],
    "Prefix": [f"/{NAME}"],
    "WriterRoleArn": [ROLE],
    "ForwardedTopicArn": [f"arn:aws:sns:eu-west-1:{ACCOUNT}:{NAME}"],
    "KeyArn": [KEY],
    "PeerKeyArn": [KEY],
    "SecretArn": [SECRET],
    "DatabaseSecretArn": [SECRET],
    "ClusterArn": [f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{NAME}"],
    "PaymentMethodArn": [f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{NAME}/live/POST/payment"],
    "RoutingControlArns": [f"arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel/{NAME}/routingcontrol/{NAME}"],
    "AcceleratorArn": [f"arn:aws:globalaccelerator::{ACCOUNT}:accelerator/{NAME}"],
    "EndpointGroupArns": [
        f"arn:aws:globalaccelerator::{ACCOUNT}:accelerator/{NAME}/listener/{NAME}/endpoint-group/{NAME}"
    ],
    "MoreRdsArns": [
        f"arn:aws:rds::{ACCOUNT}:global-cluster:{NAME}",
        f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{NAME}",
        f"arn:aws:rds:{REGION}:{ACCOUNT}:db:*",
    ],
    "MoreEcsClusterArns": [f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{NAME}"],
    "MoreEcsArns": [
        f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{NAME}/*",
        f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/*",
    ],
    "MoreHostedZoneArns": [f"arn:aws:route53:::hostedzone/{NAME}"],
}
EXCEPTION = re.compile(r"#\s*parliament:skip=([A-Z_]+):?\s*(.*)")
# A reason that is shorter gives none.
SHORTEST_REASON = 20


class Unresolved(Exception):
    """A reference that the tables above do not know."""


def policy_documents(node, path=()):
    """Every policy document below a node, with the names on the way to it."""
    if isinstance(node, dict):
        if isinstance(node.get("Statement"), list):
            yield path, node
        for name, inner in node.items():
            yield from policy_documents(inner, (*path, name))
    elif isinstance(node, list):
        for inner in node:
            yield from policy_documents(inner, path)


def statements(node):
    """Every statement, whichever way the conditions turn out."""
    if isinstance(node, list):
        for inner in node:
            yield from statements(inner)
    elif "Fn::If" in node:
        yield from statements(node["Fn::If"][1:])
    elif node != {"Ref": "AWS::NoValue"}:
        yield node


def attribute(template, name, what):
    """An attribute of a resource, or what a parameter holds, as a list."""
    if name in PSEUDO:
        return [PSEUDO[name]]
    if name in template.get("Parameters", {}):
        if name in PARAMETERS:
            return PARAMETERS[name]
        if re.search("(Arns?|Region)$", name):
            raise Unresolved(f"what the parameter {name} holds")
        return [NAME]
    kind = template["Resources"].get(name, {}).get("Type")
    if (kind, what) not in RESOURCES:
        if what == "Ref" and kind is not None:
            return [NAME]
        raise Unresolved(f"{what} of {name} ({kind})")
    return [RESOURCES[kind, what]]


def substituted(template, text, own):
    """The text of a `Fn::Sub`."""

    def replace(match):
        name = match.group(1)
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in own:
            return resolved(template, own[name])[0]
        name, _, what = name.partition(".")
        return attribute(template, name, what or "Ref")[0]

    return re.sub(r"\$\{([^}]+)\}", replace, text)


def resolved(template, node):
    """The values of one that may be a function, a list or a text."""
    if isinstance(node, list):
        return [value for inner in node for value in resolved(template, inner)]
    if not isinstance(node, dict):
        # IAM compares texts.
        return [node if isinstance(node, str) else json.dumps(node)]
    (function, argument), = node.items()
    if function == "Ref":
        return [] if argument == "AWS::NoValue" else attribute(template, argument, "Ref")
    if function == "Fn::GetAtt":
        name, _, what = argument.partition(".")
        return attribute(template, name, what)
    if function == "Fn::Sub":
        text, own = argument if isinstance(argument, list) else (argument, {})
        return [substituted(template, text, own)]
    if function == "Fn::If":
        return resolved(template, argument[1:])
    raise Unresolved(function)


def plain(template, statement, place):
    """A statement as IAM would get it."""

    def walk(node):
        if isinstance(node, dict) and not any(name == "Ref" or name.startswith("Fn::") for name in node):
            return {name: walk(inner) for name, inner in node.items()}
        values = resolved(template, node)
        return values if isinstance(node, list) or len(values) != 1 else values[0]

    result = walk(statement)
    # These two kinds speak of nothing but what they are attached to. parliament wants to be told what that is.
    if "AssumeRolePolicyDocument" in place:
        result["Resource"] = ROLE
    if "KeyPolicy" in place and result.get("Resource") == "*":
        result["Resource"] = KEY
    return result


def lint(document, statements_):
    """The findings about a document with these statements: name and detail, without repetition."""
    document = {**document, "Statement": statements_}
    policy = analyze_policy_string(json.dumps(document, default=str))
    found = {}
    for finding in policy.findings:
        detail = finding.detail or finding.location or ""
        found.setdefault(finding.issue, f"{enhance_finding(finding).title} {detail}".strip())
    return found


def exceptions(lines, statement):
    """The exceptions within a statement: finding and reason."""
    own = lines[statement.first_line - 1 : statement.end_line - 1]
    return dict(match.groups() for match in map(EXCEPTION.search, own) if match)


def check_statement(path, template, lines, place, document, statement):
    """What is wrong with one statement, and how many exceptions it has."""
    where = f"{path}:{statement.first_line}: {place[0]}, {statement.get('Sid', 'statement')}"
    try:
        found = lint(document, [plain(template, statement, place)])
    except Unresolved as unknown:
        return [f"{where}: policies.py does not know {unknown}; add it to its tables"], 0
    excepted = exceptions(lines, statement)
    wrong = [f"{where}: {name}: {detail}" for name, detail in found.items() if name not in excepted]
    wrong += [f"{where}: the exception from {name} excepts nothing" for name in excepted if name not in found]
    wrong += [
        f"{where}: the exception from {name} gives no reason"
        for name, reason in excepted.items()
        if len(reason) < SHORTEST_REASON
    ]
    return wrong, len(excepted)


def main():
    """Checks all templates, and says what it found."""
    wrong, documents, count, excepted = [], 0, 0, 0
    for path in template_files():
        template, lines = read_template(path)
        for place, document in policy_documents(template["Resources"]):
            documents += 1
            for statement in statements(document["Statement"]):
                count += 1
                findings, own = check_statement(path, template, lines, place, document, statement)
                wrong += findings
                excepted += own
    print("\n".join(wrong) if wrong else "no findings", end="")
    print(f" ({documents} policies, {count} statements, {excepted} exceptions with their reasons)")
    if not count:
        sys.exit("no policy was found: are they written in another way?")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
