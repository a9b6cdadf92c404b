"""Everything that an account holds, read through boto3, so that two moments can be compared.

`state(shop)` is a flat dictionary: a readable name of each thing -> what AWS says about it. `difference(before, after)`
is the list of what is not the same, as sorted lines `added X`, `removed X`, `changed X`. What AWS counts by itself
(item counts, stored bytes, last use) is left out, everything else is in: times of last change, revision ids, ETags.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from journeys.shop import Shop

State = dict[str, str]
Things = dict[str, Any]

COUNTED_BY_AWS = frozenset(
    {
        "IndexSizeBytes", "ItemCount", "LastAccessedDate", "LastProcessingResult", "ResponseMetadata", "RoleLastUsed",
        "TableSizeBytes", "storedBytes",
    }
)  # fmt: skip
"""Fields that move without anybody changing the thing."""
NAMED_BY_CHANCE = re.compile(r"(ledger|plans)/[^/ ]+")
"""Keys with an id that no test can know."""


def state(shop: Shop, environment: str = "dev") -> State:
    """The whole state of the environment's account now."""
    with ThreadPoolExecutor(8) as pool:
        parts = [pool.submit(_read, part, shop.client(service, environment)) for service, part in _PARTS]
    found: State = {}
    for part in parts:
        found |= part.result()
    return found


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is not the same, one line each; numbers of ledger entries and ids of plans are written as `*`."""
    lines = [
        *(f"added {name}" for name in after.keys() - before.keys()),
        *(f"removed {name}" for name in before.keys() - after.keys()),
        *(f"changed {name}" for name in after.keys() & before.keys() if before[name] != after[name]),
    ]
    return sorted({NAMED_BY_CHANCE.sub(r"\1/*", line) for line in lines})


def _read(part: Callable[[Any], Iterator[tuple[str, Any]]], client: Any) -> State:
    return {name: json.dumps(_lasting(thing), sort_keys=True, default=str) for name, thing in part(client)}


def _lasting(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: _lasting(value) for key, value in thing.items() if key not in COUNTED_BY_AWS}
    if isinstance(thing, list):
        return [_lasting(value) for value in thing]
    return thing


# ------------------------------------------------------------------------------------------ one reader per service


def _functions(client: Any) -> Iterator[tuple[str, Any]]:
    for function in _pages(client, "list_functions", "Functions"):
        name = function["FunctionName"]
        yield f"function {name}", function
        yield f"tags of function {name}", client.list_tags(Resource=function["FunctionArn"])["Tags"]
        yield f"concurrency of function {name}", client.get_function_concurrency(FunctionName=name)
        yield f"policy of function {name}", _policy(client, name, None)
        for version in _pages(client, "list_versions_by_function", "Versions", FunctionName=name):
            if version["Version"] != "$LATEST":
                yield f"version {name}:{version['Version']}", version
        for alias in _pages(client, "list_aliases", "Aliases", FunctionName=name):
            yield f"alias {name}:{alias['Name']}", alias
            yield f"policy of alias {name}:{alias['Name']}", _policy(client, name, alias["Name"])
    for mapping in _pages(client, "list_event_source_mappings", "EventSourceMappings"):
        yield f"event source {mapping['UUID']}", mapping


def _policy(client: Any, name: str, alias: str | None) -> Any:
    qualifier = {} if alias is None else {"Qualifier": alias}
    try:
        return json.loads(client.get_policy(FunctionName=name, **qualifier)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return None


def _apis(client: Any) -> Iterator[tuple[str, Any]]:
    for api in client.get_rest_apis(limit=500)["items"]:
        name = api["name"]
        yield f"API {name}", api
        for resource in client.get_resources(restApiId=api["id"], limit=500, embed=["methods"])["items"]:
            yield f"route {name}{resource['path']}", resource
        for deployment in client.get_deployments(restApiId=api["id"], limit=500)["items"]:
            yield f"deployment {name}:{deployment['id']}", deployment
        for stage in client.get_stages(restApiId=api["id"])["item"]:
            yield f"stage {name}:{stage['stageName']}", stage


def _parameters(client: Any) -> Iterator[tuple[str, Any]]:
    for parameter in _pages(client, "get_parameters_by_path", "Parameters", Path="/", Recursive=True):
        yield f"parameter {parameter['Name']}", parameter


def _secrets(client: Any) -> Iterator[tuple[str, Any]]:
    for secret in _pages(client, "list_secrets", "SecretList"):
        yield f"secret {secret['Name']}", client.describe_secret(SecretId=secret["ARN"])


def _roles(client: Any) -> Iterator[tuple[str, Any]]:
    for role in _pages(client, "list_roles", "Roles"):
        name = role["RoleName"]
        yield f"role {name}", client.get_role(RoleName=name)["Role"]
        yield f"attachments of role {name}", client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
            inline = client.get_role_policy(RoleName=name, PolicyName=policy)
            yield f"grants of role {name}:{policy}", inline["PolicyDocument"]
    for policy in _pages(client, "list_policies", "Policies", Scope="Local"):
        version = client.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        yield f"policy {policy['PolicyName']}", [policy, version["PolicyVersion"]["Document"]]
    for user in _pages(client, "list_users", "Users"):
        yield f"user {user['UserName']}", user


def _tables(client: Any) -> Iterator[tuple[str, Any]]:
    for name in _pages(client, "list_tables", "TableNames"):
        table = client.describe_table(TableName=name)["Table"]
        yield f"table {name}", table
        yield f"expiry of table {name}", client.describe_time_to_live(TableName=name)
        yield f"backups of table {name}", client.describe_continuous_backups(TableName=name)
        yield f"tags of table {name}", client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]


def _logs(client: Any) -> Iterator[tuple[str, Any]]:
    for group in _pages(client, "describe_log_groups", "logGroups"):
        yield f"log group {group['logGroupName']}", group


def _buckets(client: Any) -> Iterator[tuple[str, Any]]:
    for bucket in client.list_buckets()["Buckets"]:
        name = bucket["Name"]
        yield f"bucket {name}", bucket
        yield f"policy of bucket {name}", client.get_bucket_policy(Bucket=name)["Policy"]
        for found in _pages(client, "list_objects_v2", "Contents", Bucket=name):
            yield f"object {found['Key']}", found


def _alarms(client: Any) -> Iterator[tuple[str, Any]]:
    for alarm in _pages(client, "describe_alarms", "MetricAlarms"):
        lasting = {key: value for key, value in alarm.items() if not key.startswith("State")}
        yield f"alarm {alarm['AlarmName']}", lasting
    for dashboard in _pages(client, "list_dashboards", "DashboardEntries"):
        body = client.get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
        yield f"dashboard {dashboard['DashboardName']}", body


def _queues(client: Any) -> Iterator[tuple[str, Any]]:
    for url in client.list_queues().get("QueueUrls", []):
        wanted = ["Policy", "QueueArn", "RedrivePolicy", "VisibilityTimeout", "LastModifiedTimestamp"]
        yield f"queue {url.rsplit('/', 1)[-1]}", client.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)


def _topics(client: Any) -> Iterator[tuple[str, Any]]:
    for topic in _pages(client, "list_topics", "Topics"):
        yield f"topic {topic['TopicArn']}", client.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]


def _rules(client: Any) -> Iterator[tuple[str, Any]]:
    for rule in client.list_rules()["Rules"]:
        yield f"rule {rule['Name']}", [rule, client.list_targets_by_rule(Rule=rule["Name"])["Targets"]]


def _keys(client: Any) -> Iterator[tuple[str, Any]]:
    for alias in _pages(client, "list_aliases", "Aliases"):
        yield f"key {alias['AliasName']}", client.describe_key(KeyId=alias["AliasName"])["KeyMetadata"]


_PARTS: tuple[tuple[str, Callable[[Any], Iterator[tuple[str, Any]]]], ...] = (
    ("lambda", _functions),
    ("apigateway", _apis),
    ("ssm", _parameters),
    ("secretsmanager", _secrets),
    ("iam", _roles),
    ("dynamodb", _tables),
    ("logs", _logs),
    ("s3", _buckets),
    ("cloudwatch", _alarms),
    ("sqs", _queues),
    ("sns", _topics),
    ("events", _rules),
    ("kms", _keys),
)


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, [])
