"""RDS Data API: ExecuteStatement, on a database in memory for each global database. MiniStack, without containers, has a
stub.

The cluster that writes runs the statement. A secondary cluster has no writer, so it refuses with
`DatabaseNotFoundException`, until it is promoted (Aurora user guide, "Limitations with RDS Data API"). The caller needs
the permission to read the secret, in which the master user's name and password are (user guide, "Authorizing access").
An error of the database is a `DatabaseErrorException` with PostgreSQL's code at its end: `…; SQLState: 42P01`.

Replication is asynchronous: a failover that allows data loss, and RemoveFromGlobalCluster on a secondary, forget what
was committed in the last `REPLICATION_LAG_SECONDS` before the last commit. A switchover forgets nothing.

The database is SQLite. Of PostgreSQL's own language it knows what the payments' statements say: `cast(… AS timestamptz)`
and `to_char(… AT TIME ZONE 'UTC', …)` with their format. A statement is a transaction; there are no longer ones.
"""

import base64
import collections
import json
import re
import sqlite3
import threading
import time
from datetime import datetime, timezone

from ministack.core.iam_evaluator import AuthError, enforce
from ministack.core.responses import error_response_json, json_response
from ministack.core.router import extract_access_key_id, extract_region
from ministack.services import rds, rds_data

from correction import replace

REPLICATION_LAG_SECONDS = 0.150

CAST = re.compile(r"\bcast\s*\(\s*(:\w+)\s+as\s+timestamptz\s*\)", re.IGNORECASE)
TO_CHAR = re.compile(
    r"\bto_char\s*\(\s*(\w+)\s+at\s+time\s+zone\s+'UTC'\s*,\s*'YYYY-MM-DD\"T\"HH24:MI:SS\.MS\"Z\"'\s*\)", re.IGNORECASE
)
# PostgreSQL's codes (https://www.postgresql.org/docs/current/errcodes-appendix.html) by what SQLite says.
ERRORS = (
    (re.compile(r"no such table: (\S+)"), 'relation "{0}" does not exist', "42P01"),
    (re.compile(r"no such column: (\S+)"), 'column "{0}" does not exist', "42703"),
    (re.compile(r"table (\S+) already exists"), 'relation "{0}" already exists', "42P07"),
    (re.compile(r"UNIQUE .* failed: (\w+)"), 'duplicate key value violates unique constraint "{0}_pkey"', "23505"),
    (re.compile(r"NOT NULL .* failed: \w+\.(\w+)"), 'null value in column "{0}" violates not-null constraint', "23502"),
    (re.compile(r'near "(.*)": syntax error'), 'syntax error at or near "{0}"', "42601"),
    (re.compile(r"user-defined function"), "invalid input syntax for type timestamp with time zone", "22007"),
)
INTERNAL_ERROR = "XX000"


def timestamptz(text):
    return datetime.fromisoformat(text).astimezone(timezone.utc).isoformat(timespec="microseconds")


def iso_8601(moment):
    return datetime.fromisoformat(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sqlite():
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    connection.create_function("timestamptz", 1, timestamptz)
    connection.create_function("iso_8601", 1, iso_8601)
    return connection


class Database:
    """What was committed, and, behind it, what has reached the secondary."""

    def __init__(self):
        self.committed, self.replicated = sqlite(), sqlite()
        self.under_way = collections.deque()  # Commits within the lag, with their times.

    def execute(self, sql, parameters):
        cursor = self.committed.execute(sql, parameters)
        rows = cursor.fetchall()
        if cursor.description is None:
            self.under_way.append((time.monotonic(), sql, parameters))
            self.replicate(REPLICATION_LAG_SECONDS)
        return rows, max(cursor.rowcount, 0)

    def replicate(self, lag):
        """Brings the secondary to where the writer was `lag` seconds before its last commit."""
        while self.under_way and self.under_way[0][0] <= self.under_way[-1][0] - lag:
            _, sql, parameters = self.under_way.popleft()
            self.replicated.execute(sql, parameters)

    def promoted(self, lost):
        """The database of the secondary, once it is the writer."""
        if not lost:
            self.replicate(0)
        promoted = Database()
        for connection in (promoted.committed, promoted.replicated):
            self.replicated.backup(connection)
        return promoted


LOCK = threading.RLock()
DATABASES = {}  # By the resource id of the global database, or of a cluster that is in none; and by name within it.


def database(cluster, name):
    global_cluster, _ = rds._global_cluster_member_for_cluster(cluster)
    own = cluster["DbClusterResourceId"]
    key = global_cluster["GlobalClusterResourceId"] if global_cluster else own
    if key not in DATABASES:  # A cluster takes what it has into a global database that is made of it.
        DATABASES[key] = DATABASES.pop(own, {})
    return DATABASES[key].setdefault(name, Database())


def refusal(code, message, status=400):
    return error_response_json(code, message, status)


def database_error(text):
    for known, message, state in ERRORS:
        if found := known.search(text):
            return refusal("DatabaseErrorException", f"ERROR: {message.format(*found.groups())}; SQLState: {state}")
    return refusal("DatabaseErrorException", f"ERROR: {text}; SQLState: {INTERNAL_ERROR}")


def parameters(given):
    values = {}
    for parameter in given:
        (kind, value), *others = parameter["value"].items()
        if others or kind == "arrayValue":
            raise ValueError(f"a parameter of this kind is not known here: {parameter}")
        values[parameter["name"]] = None if kind == "isNull" else base64.b64decode(value) if kind == "blobValue" else value
    return values


def field(value):
    if value is None:
        return {"isNull": True}
    if isinstance(value, bytes):
        return {"blobValue": base64.b64encode(value).decode()}
    return {{str: "stringValue", int: "longValue", float: "doubleValue"}[type(value)]: value}


def refused(cluster, data):
    """Why this cluster runs no statement of this caller, or None."""
    arn = data["resourceArn"]
    if cluster is None:
        return refusal("BadRequestException", f"there is no DB cluster {arn} in this Region")
    if not cluster.get("HttpEndpointEnabled"):
        return refusal("HttpEndpointNotEnabledException", f"HttpEndpoint is not enabled for cluster {arn}.")
    _, member = rds._global_cluster_member_for_cluster(cluster)
    has_writer = member is None or member["IsWriter"]
    if not has_writer or not cluster["DBClusterMembers"]:
        return refusal("DatabaseNotFoundException", f"The DB cluster doesn't have a writer DB instance: {arn}", 404)
    user, password, wrong = rds_data._require_secret_credentials(data["secretArn"])
    if wrong:
        return wrong
    if (user, password) != (cluster["MasterUsername"], cluster["_MasterUserPassword"]):
        message = f'FATAL: password authentication failed for user "{user}"; SQLState: 28P01'
        return refusal("DatabaseErrorException", message)
    return None


def execute_statement(data):
    missing = [name for name in ("resourceArn", "secretArn", "sql") if not data.get(name)]
    unknown = [name for name in ("transactionId", "includeResultMetadata", "formatRecordsAs") if data.get(name)]
    if missing or unknown:
        return refusal("BadRequestException", f"missing: {missing}; not known here: {unknown}")
    cluster = rds._resolve_cluster_in_request_region(data["resourceArn"])
    if answer := refused(cluster, data):
        return answer
    sql = TO_CHAR.sub(r"iso_8601(\1)", CAST.sub(r"timestamptz(\1)", data["sql"]))
    try:
        with LOCK:
            of_cluster = database(cluster, data.get("database") or cluster.get("DatabaseName"))
            rows, updated = of_cluster.execute(sql, parameters(data.get("parameters") or []))
    except sqlite3.Error as error:
        return database_error(str(error))
    except ValueError as error:
        return refusal("BadRequestException", str(error))
    records = [[field(value) for value in row] for row in rows]
    return json_response({"records": records, "numberOfRecordsUpdated": updated, "generatedFields": []})


async def handle_request(method, path, headers, body, query_params):
    """The Data API reads the secret with the caller's permission."""
    secret = json.loads(body or b"{}").get("secretArn", "*")
    caller, region = extract_access_key_id(headers, query_params), extract_region(headers, query_params)
    denied = enforce(caller, "secretsmanager:GetSecretValue", "secretsmanager", region, resource_arn=secret)
    if denied is not None:
        who = denied.message if isinstance(denied, AuthError) else denied.principal_arn
        return refusal("AccessDeniedException", f"{who} may not secretsmanager:GetSecretValue on {secret}", 403)
    return await emulated_handle_request(method, path, headers, body, query_params)


def switch_writer(request, *, allow_data_loss=False):
    result = emulated_switch_writer(request, allow_data_loss=allow_data_loss)
    if isinstance(result, dict):  # Otherwise an error's answer.
        with LOCK:
            databases = DATABASES.get(result["GlobalClusterResourceId"], {})
            databases.update({name: left.promoted(lost=allow_data_loss) for name, left in databases.items()})
    return result


def remove_from_global_cluster(request):
    cluster = rds._resolve_cluster(rds._p(request, "DbClusterIdentifier"))
    global_cluster, member = rds._global_cluster_member_for_cluster(cluster) if cluster else (None, None)
    answer = emulated_remove(request)
    if member and answer[0] < 400:
        with LOCK:
            databases = DATABASES.get(global_cluster["GlobalClusterResourceId"], {})
            DATABASES[cluster["DbClusterResourceId"]] = {
                name: left.promoted(lost=not member["IsWriter"]) for name, left in databases.items()
            }
    return answer


def correct():
    global emulated_handle_request, emulated_remove, emulated_switch_writer
    replace(rds_data, "_execute_statement", execute_statement)
    emulated_handle_request = replace(rds_data, "handle_request", handle_request)
    emulated_switch_writer = replace(rds, "_switch_global_cluster_writer_locked", switch_writer)
    emulated_remove = rds._ACTION_MAP["RemoveFromGlobalCluster"]
    rds._ACTION_MAP["RemoveFromGlobalCluster"] = remove_from_global_cluster
