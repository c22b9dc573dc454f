//! IAM for the calls that the gateway answers itself.
//!
//! The emulator checks role policies only for what it has itself, and a policy that lacks `xray:*` must
//! fail here as it would on AWS. The gateway finds the calling Lambda function through its process, its
//! role and the role's policies through the emulator, and decides with [`policy`].

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::fault::Fault;
use super::models::{accelerator, routing_control};
use super::policy::{self, Question};
use super::process_of::{self, Connection};
use super::request::{Protocol, Seen};
use crate::aws::{Aws, AwsError, xml_text, xml_texts};
use crate::lock::lock;

/// IAM is one for all Regions; its calls are signed for this one.
const IAM_REGION: &str = "us-east-1";
/// How often the emulator is asked for a role or its policies, and the time between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Authorization {
    /// Role name by access key; a function's key is the same in all its processes.
    roles: Mutex<BTreeMap<String, String>>,
}

impl Authorization {
    /// Whether the caller's role allows the call. `root` is a client with root credentials.
    pub(super) async fn check(
        &self,
        seen: &Seen,
        body: &[u8],
        connection: Connection,
        root: &Aws,
        account_id: &str,
    ) -> Result<(), Fault> {
        let Some(key) = seen.caller.access_key_id.as_deref() else {
            return Err(Fault::error(403, "MissingAuthenticationToken", "Request is missing Authentication Token"));
        };
        if key == root.access_key_id() {
            return Ok(());
        }
        let action = seen.iam_action();
        let role = match self.known_role(key) {
            Some(role) => role,
            None => self.find_role(seen, key, connection, root).await?,
        };
        let policies = patiently(|| policies_of(&role, root))
            .await
            .map_err(|error| unreadable(&format!("the policies of role {role}"), &error))?;
        for resource in resources(seen, body, account_id) {
            let question = Question { action: &action, resource: &resource, context: context(body) };
            if !policy::allows(&policies, &question) {
                return Err(denied(seen, &role, &format!("no identity-based policy allows it on {resource}")));
            }
        }
        Ok(())
    }

    fn known_role(&self, key: &str) -> Option<String> {
        lock(&self.roles).get(key).cloned()
    }

    async fn find_role(&self, seen: &Seen, key: &str, connection: Connection, root: &Aws) -> Result<String, Fault> {
        let Ok(Some(pid)) = tokio::task::spawn_blocking(move || process_of::owner_of(connection)).await else {
            // Killed, or tired of waiting: nobody is there to be denied anything.
            return Err(Fault::error(503, "CallerGone", "the caller hung up before its role was known"));
        };
        let names = ["AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "AWS_ACCESS_KEY_ID"];
        let environment = process_of::environment_of(pid, &names);
        let [Some(function), Some(region), Some(process_key)] = environment.as_slice() else {
            return Err(denied(seen, key, "the caller's process is no Lambda function"));
        };
        if process_key != key {
            return Err(denied(seen, key, "the caller's process has other credentials"));
        }
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let text = patiently(|| root.rest("lambda", region, "GET", &path, "application/json", b""))
            .await
            .map_err(|error| unreadable(&format!("the configuration of function {function}"), &error))?;
        let configuration: Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(role) = configuration["Role"].as_str().and_then(|role| role.rsplit('/').next()) else {
            return Err(denied(seen, key, "the caller's function has no role"));
        };
        let role = role.to_owned();
        lock(&self.roles).insert(key.to_owned(), role.clone());
        Ok(role)
    }
}

/// Asks the emulator several times: a busy one breaks a connection now and then.
async fn patiently<T, F: Future<Output = Result<T, AwsError>>>(ask: impl Fn() -> F) -> Result<T, AwsError> {
    for _ in 1..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    ask().await
}

/// That the emulator cannot be asked says nothing of the caller's permissions.
fn unreadable(what: &str, error: &AwsError) -> Fault {
    Fault::error(503, "ServiceUnavailable", format!("{what} could not be read: {error}"))
}

/// The role's inline and managed policies, as they are now.
async fn policies_of(role: &str, root: &Aws) -> Result<Vec<Value>, AwsError> {
    let mut documents = Vec::new();
    let of_role = [("RoleName", role)];
    let names = root.query("iam", IAM_REGION, "ListRolePolicies", &of_role).await?;
    for name in xml_texts(&names, &["PolicyNames", "member"]) {
        let which = [("RoleName", role), ("PolicyName", name.as_str())];
        let policy = root.query("iam", IAM_REGION, "GetRolePolicy", &which).await?;
        documents.extend(xml_text(&policy, &["PolicyDocument"]));
    }
    let attached = root.query("iam", IAM_REGION, "ListAttachedRolePolicies", &of_role).await?;
    for arn in xml_texts(&attached, &["member", "PolicyArn"]) {
        let policy = root.query("iam", IAM_REGION, "GetPolicy", &[("PolicyArn", &arn)]).await?;
        let version = xml_text(&policy, &["DefaultVersionId"]).unwrap_or_default();
        let which = [("PolicyArn", arn.as_str()), ("VersionId", version.as_str())];
        let version = root.query("iam", IAM_REGION, "GetPolicyVersion", &which).await?;
        documents.extend(xml_text(&version, &["Document"]));
    }
    // Documents are URL-encoded (RFC 3986), says the API reference.
    let parse = |document: String| serde_json::from_str(&percent_decode_str(&document).decode_utf8_lossy()).ok();
    Ok(documents.into_iter().filter_map(parse).collect())
}

/// The resources that the action is checked on, each one (Service Authorization Reference). A scalable
/// target's ARN ends in an identifier that AWS makes up; `PutTraceSegments`, `DescribeScalableTargets`
/// and `TestDNSAnswer` have no resource-level permissions.
fn resources(seen: &Seen, body: &[u8], account_id: &str) -> Vec<String> {
    let named = match (seen.service.as_str(), seen.operation.as_str()) {
        (_, "RegisterScalableTarget") => {
            let region = &seen.region;
            vec![format!("arn:aws:application-autoscaling:{region}:{account_id}:scalable-target/0")]
        }
        ("route53-recovery-cluster", _) => routing_control::resources(body),
        ("globalaccelerator", _) => accelerator::resources(body),
        _other => Vec::new(),
    };
    if named.is_empty() { vec!["*".to_owned()] } else { named }
}

/// Condition keys of Application Auto Scaling.
fn context(body: &[u8]) -> BTreeMap<String, String> {
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    let keys = [
        ("application-autoscaling:service-namespace", "ServiceNamespace"),
        ("application-autoscaling:scalable-dimension", "ScalableDimension"),
    ];
    let value = |field: &str| input.get(field).and_then(Value::as_str).map(str::to_owned);
    keys.iter().filter_map(|(key, field)| Some(((*key).to_owned(), value(field)?))).collect()
}

/// The XML services leave out "Exception" here, too.
fn denied(seen: &Seen, who: &str, why: &str) -> Fault {
    let code = match seen.protocol {
        Protocol::Query => "AccessDenied",
        Protocol::Json | Protocol::Cbor | Protocol::RestJson => "AccessDeniedException",
    };
    Fault::error(403, code, format!("{who} is not authorized to perform {}: {why}", seen.iam_action()))
}
