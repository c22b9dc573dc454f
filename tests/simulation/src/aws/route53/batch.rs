//! Change batches: applied as a whole or not at all.

use roxmltree::{Document, Node};

use super::record::{RecordSet, Routing, text_of};

/// What is done with a record set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is created; it must not be there.
    Create,
    /// It is deleted; it has to be there exactly so.
    Delete,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is done.
    pub action: Action,
    /// With which record set.
    pub set: RecordSet,
}

/// Why a batch is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `InvalidChangeBatch`, with its message.
    Invalid(String),
    /// `NoSuchHealthCheck`, with the health check.
    NoSuchHealthCheck(String),
}

/// Reads the body of a request: its comment and its changes.
///
/// # Panics
/// On what is not simulated.
pub(super) fn read(body: &str) -> (String, Vec<Edit>) {
    let document = Document::parse(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let batch = child(document.root_element(), "ChangeBatch");
    let changes = child(batch, "Changes").children().filter(Node::is_element);
    let edits = changes.map(|change| {
        let action = match text_of(change, "Action") {
            Some("CREATE") => Action::Create,
            Some("DELETE") => Action::Delete,
            other => panic!("a change that is {other:?} is not simulated"),
        };
        Edit { action, set: RecordSet::read(child(change, "ResourceRecordSet")) }
    });
    (text_of(batch, "Comment").unwrap_or_default().to_owned(), edits.collect())
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Node<'a, 'b> {
    let found = node.children().find(|child| child.tag_name().name() == name);
    found.unwrap_or_else(|| panic!("no {name} in {}", node.tag_name().name()))
}

/// The record sets after the batch; each change sees what those before it did.
///
/// # Errors
/// Why the batch is refused; AWS names every change that it is refused for, here it is the first.
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
pub(super) fn apply(
    sets: &[RecordSet],
    edits: &[Edit],
    health_check_exists: impl Fn(&str) -> bool,
) -> Result<Vec<RecordSet>, Refusal> {
    let mut after = sets.to_vec();
    for Edit { action, set } in edits {
        let key =
            |other: &RecordSet| other.is_of(&set.name, &set.record_type) && other.set_identifier == set.set_identifier;
        let found = after.iter().position(key);
        match (action, found) {
            (Action::Delete, Some(index)) if after[index] == *set => drop(after.remove(index)),
            (Action::Delete, Some(_)) => {
                let why = "but the values provided do not match the current values";
                return Err(Refusal::Invalid(format!("[Tried to delete resource record set {} {why}]", set.title())));
            }
            (Action::Delete, None) => {
                let why = "but it was not found";
                return Err(Refusal::Invalid(format!("[Tried to delete resource record set {} {why}]", set.title())));
            }
            (Action::Create, Some(_)) => {
                let why = "but it already exists";
                return Err(Refusal::Invalid(format!("[Tried to create resource record set {} {why}]", set.title())));
            }
            (Action::Create, None) => {
                check(&after, set, &health_check_exists)?;
                after.push(set.clone());
            }
        }
    }
    after.sort_by(|one, other| one.key().cmp(&other.key()));
    Ok(after)
}

/// Whether a record set goes together with the others of its name and type.
fn check(sets: &[RecordSet], set: &RecordSet, health_check_exists: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    if let Some(id) = set.health_check.as_ref().filter(|id| !health_check_exists(id)) {
        return Err(Refusal::NoSuchHealthCheck(id.clone()));
    }
    let conflict = sets.iter().filter(|other| other.is_of(&set.name, &set.record_type)).find(|other| {
        match (other.routing, set.routing) {
            (Routing::Primary, Routing::Secondary)
            | (Routing::Secondary, Routing::Primary)
            | (Routing::Weighted(_), Routing::Weighted(_)) => false,
            (Routing::Simple | Routing::Primary | Routing::Secondary | Routing::Weighted(_), _) => true,
        }
    });
    conflict.map_or(Ok(()), |other| {
        let (title, routing) = (set.title(), set.routing);
        let other = other.set_identifier.as_deref().unwrap_or("without identifier");
        Err(Refusal::Invalid(format!("[RRSet {title} of {routing:?} conflicts with the RRSet {other}]")))
    })
}
