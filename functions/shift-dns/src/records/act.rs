//! Changes record sets: one action is one `ChangeResourceRecordSets`.

use aws_sdk_route53::Client;
use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch};
use failover::aws_call::{CallError, Calls, Meaning, Sent};

use super::plan::Action;
use super::sdk::record_set;
use super::sets::RecordSet;

/// Sends the change batch; gives the change's id.
///
/// Each record set is deleted exactly as it was seen and created with its new role or weight. Route 53 applies a batch as a whole
/// or not at all, and deletes only what matches exactly; so this is a compare-and-set over all records of the request,
/// and an attribute this crate does not know makes the batch fail instead of being lost.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
///
/// # Errors
/// Those of the call. `InvalidChangeBatch` means that the records are not as they were seen: look again.
pub(crate) async fn act(client: &Client, calls: &Calls, action: &Action) -> Result<Option<String>, CallError> {
    let batch = change_batch(action).map_err(|error| CallError {
        service: "route53",
        operation: "ChangeResourceRecordSets",
        code: String::new(),
        message: error.to_string(),
        meaning: Meaning::Invalid,
        sent: Sent::NotSent,
    })?;
    let request =
        client.change_resource_record_sets().hosted_zone_id(&action.hosted_zone_id).change_batch(batch).send();
    let answer = calls.call("route53", "ChangeResourceRecordSets", request).await?;
    Ok(answer.change_info.map(|info| change_id(&info.id).to_owned()))
}

/// Deletions come first, so that there are never two primary record sets in between.
fn change_batch(action: &Action) -> Result<ChangeBatch, BuildError> {
    let mut batch = ChangeBatch::builder().comment(&action.comment);
    for change in &action.changes {
        batch = batch.changes(one_change(ChangeAction::Delete, &change.expected)?);
    }
    for change in &action.changes {
        batch = batch.changes(one_change(ChangeAction::Create, &change.wanted())?);
    }
    batch.build()
}

fn one_change(action: ChangeAction, set: &RecordSet) -> Result<Change, BuildError> {
    Change::builder().action(action).resource_record_set(record_set(set)?).build()
}

/// The id alone: the API answers it behind a path.
fn change_id(id: &str) -> &str {
    id.strip_prefix("/change/").unwrap_or(id)
}
