//! IAM for the calls that the gateway answers itself.
//!
//! The emulator checks role policies only for services it has, and a policy that lacks `xray:*` must
//! fail here as it would on AWS. The gateway finds the calling Lambda function through its process,
//! its role through the emulator, and asks the emulator's SimulatePrincipalPolicy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::fault::Fault;
use super::process_of;
use super::request::Seen;
use crate::aws::{Aws, xml_text};

#[derive(Debug, Default)]
pub(super) struct Authorization {
    /// Role ARN by access key; a function's key is the same in all its processes.
    roles: Mutex<BTreeMap<String, String>>,
}

impl Authorization {
    /// Whether the caller's role allows the call. `root` is a client with root credentials.
    pub(super) async fn check(&self, seen: &Seen, peer: SocketAddr, root: &Aws) -> Result<(), Fault> {
        let Some(key) = seen.caller.access_key_id.as_deref() else {
            return Err(Fault::error(403, "MissingAuthenticationToken", "Request is missing Authentication Token"));
        };
        if key == root.access_key_id() {
            return Ok(());
        }
        let action = seen.iam_action();
        let role = match self.known_role(key) {
            Some(role) => role,
            None => self
                .find_role(key, peer, root)
                .await
                .ok_or_else(|| denied(key, &action, "the gateway found no Lambda function behind the call"))?,
        };
        // Neither PutTraceSegments nor DescribeScalableTargets has resource-level permissions, and the
        // scalable target's ARN is not known to a first registration.
        let parameters = [
            ("PolicySourceArn", role.as_str()),
            ("ActionNames.member.1", action.as_str()),
            ("ResourceArns.member.1", "*"),
        ];
        let answer = root.query("iam", "us-east-1", "SimulatePrincipalPolicy", &parameters).await;
        let decision = answer.ok().and_then(|xml| xml_text(&xml, &["EvalDecision"]));
        if decision.as_deref() == Some("allowed") {
            return Ok(());
        }
        Err(denied(&role, &action, "because no identity-based policy allows it"))
    }

    fn known_role(&self, key: &str) -> Option<String> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    async fn find_role(&self, key: &str, peer: SocketAddr, root: &Aws) -> Option<String> {
        let names = ["AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "AWS_ACCESS_KEY_ID"];
        let find = move || process_of::owner_of(peer).map(|pid| process_of::environment_of(pid, &names));
        let environment = tokio::task::spawn_blocking(find).await.ok()??;
        let [Some(function), Some(region), Some(process_key)] = environment.as_slice() else { return None };
        if process_key != key {
            return None;
        }
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let text = root.rest("lambda", region, "GET", &path, "application/json", b"").await.ok()?;
        let configuration: Value = serde_json::from_str(&text).ok()?;
        let role = configuration.get("Role")?.as_str()?.to_owned();
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), role.clone());
        Some(role)
    }
}

fn denied(who: &str, action: &str, why: &str) -> Fault {
    Fault::error(403, "AccessDeniedException", format!("{who} is not authorized to perform: {action} {why}"))
}
