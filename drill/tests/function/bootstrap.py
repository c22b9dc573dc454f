"""A Lambda function on a custom runtime: makes the AWS call that its event describes, or notes an alarm."""

import json
import os
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
NO_RETRIES = Config(retries={"total_max_attempts": 1}, user_agent_appid="caller")


def event_of_alarm(notification):
    alarm = json.loads(notification["Message"])
    item = {"operation_id": {"S": alarm["AlarmArn"]}, "status": {"S": alarm["NewStateValue"]}}
    parameters = {"TableName": "drill-test", "Item": item}
    return {"service": "dynamodb", "region": os.environ["AWS_REGION"], "operation": "put_item", "parameters": parameters}


def call(event):
    if "Records" in event:
        event = event_of_alarm(event["Records"][0]["Sns"])
    client = boto3.client(event["service"], region_name=event["region"], config=NO_RETRIES)
    try:
        answer = getattr(client, event["operation"])(**event["parameters"])
    except ClientError as error:
        return {"code": error.response["Error"]["Code"]}
    except BotoCoreError as error:
        return {"code": type(error).__name__}
    answer.pop("ResponseMetadata")
    return {"answer": answer, "region": os.environ["AWS_REGION"], "greeting": os.environ["GREETING"]}


while True:
    with urllib.request.urlopen(f"{API}/next") as response:
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        result = call(json.load(response))
    body = json.dumps(result, default=str).encode()
    urllib.request.urlopen(urllib.request.Request(f"{API}/{request_id}/response", data=body)).close()
