//! Calls to Route 53's control plane, the API `route53/2013-04-01`.

use crate::aws::{Aws, xml_text};
use crate::error::{Error, Result};

/// Where it is called; it is one for all Regions.
const REGION: &str = "us-east-1";
pub(crate) const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
const VERSION: &str = "2013-04-01";

/// Reads what is at a path, e.g. `healthcheck?marker=a`.
///
/// # Errors
/// [`Error::Aws`] when the call fails.
pub async fn get(aws: &Aws, path: &str) -> Result<String> {
    Ok(aws.rest("route53", REGION, "GET", &format!("/{VERSION}/{path}"), "application/xml", b"").await?)
}

/// Sends a request whose element is `name` with this content to a path, and answers what came back.
///
/// # Errors
/// [`Error::Aws`] when the call fails.
pub async fn post(aws: &Aws, path: &str, name: &str, content: &str) -> Result<String> {
    let xml = format!("<{name} xmlns=\"{NAMESPACE}\">{content}</{name}>");
    let path = format!("/{VERSION}/{path}");
    Ok(aws.rest("route53", REGION, "POST", &path, "application/xml", xml.as_bytes()).await?)
}

/// Creates a hosted zone and answers its id.
///
/// # Errors
/// [`Error::Aws`] when the call fails, [`Error::Unexpected`] when the answer has no id.
pub async fn create_zone(aws: &Aws, name: &str) -> Result<String> {
    let content = format!("<Name>{name}</Name><CallerReference>drill</CallerReference>");
    let answer = post(aws, "hostedzone", "CreateHostedZoneRequest", &content).await?;
    Ok(id_in(&answer, "HostedZone")?.trim_start_matches("/hostedzone/").to_owned())
}

/// Changes record sets in one batch. `action` is `CREATE`, `UPSERT` or `DELETE`; each set is the content of its
/// `ResourceRecordSet` element.
///
/// # Errors
/// [`Error::Aws`] when the call fails.
pub async fn change_record_sets(aws: &Aws, zone_id: &str, action: &str, sets: &[String]) -> Result<()> {
    let change = |set: &String| {
        format!("<Change><Action>{action}</Action><ResourceRecordSet>{set}</ResourceRecordSet></Change>")
    };
    let changes = sets.iter().map(change).collect::<String>();
    let batch = format!("<ChangeBatch><Changes>{changes}</Changes></ChangeBatch>");
    post(aws, &format!("hostedzone/{zone_id}/rrset"), "ChangeResourceRecordSetsRequest", &batch).await?;
    Ok(())
}

/// The id of what was created.
///
/// # Errors
/// [`Error::Unexpected`] when there is none.
pub(crate) fn id_in(answer: &str, element: &str) -> Result<String> {
    xml_text(answer, &[element, "Id"]).ok_or_else(|| Error::Unexpected(format!("an answer without an id: {answer}")))
}
