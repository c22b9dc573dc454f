"""The same job in Python with boto3: claim a completed operation, answer it from its record.

Speaks to Lambda's runtime API itself, so that it is started and measured like the Rust functions.
"""

import json
import os
import urllib.request

import boto3
from botocore.config import Config

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"


def answer(event):
    table = boto3.client(
        "dynamodb",
        region_name=os.environ["DR_REGION"],
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        config=Config(retries={"max_attempts": 0}),
    )
    try:
        table.update_item(
            TableName="failover-state-bench",
            Key={"operation_id": {"S": event["run"]["failover_id"]}},
            UpdateExpression="SET #s0 = :s0",
            ConditionExpression="attribute_not_exists(operation_id)",
            ExpressionAttributeNames={"#s0": "request_hash"},
            ExpressionAttributeValues={":s0": {"S": "bench"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except table.exceptions.ConditionalCheckFailedException as lost:
        return json.loads(lost.response["Item"]["result"]["S"])
    raise RuntimeError("the operation was not completed")


with urllib.request.urlopen(f"{API}/next") as response:
    request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
    body = json.dumps(answer(json.load(response))).encode()
urllib.request.urlopen(urllib.request.Request(f"{API}/{request_id}/response", data=body)).read()
