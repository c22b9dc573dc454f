//! What the other Region should have. Pure.
//!
//! Both Regions' functions decide by the same rule, the newest change that a person made, in whichever Region; so they
//! agree whatever the order of events. Copies are no changes: who made a version tells them apart.

use std::fmt;

use failover::contract::Timestamp;

/// Events give their time in whole seconds, so what they tell of happened up to so much later, in milliseconds.
pub const EVENT_RESOLUTION: u64 = 1_000;

/// A parameter's value: not to be seen in any log, error or debug output.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, to be sent and nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `String`.
    Text,
    /// `StringList`.
    List,
    /// `SecureString`.
    Secure,
}

/// A parameter's tier. The Parameter Store raises it, and never lowers it.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// `Standard`.
    Standard,
    /// `Advanced`.
    Advanced,
}

/// A version of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// When it was written.
    pub at: Timestamp,
    /// Its type.
    pub kind: Kind,
    /// Its value.
    pub value: Secret,
    /// Its tier.
    pub tier: Tier,
    /// `text`, or what the value has to be valid as.
    pub data_type: Option<String>,
    /// What people say about it.
    pub description: Option<String>,
    /// What values have to look like.
    pub allowed_pattern: Option<String>,
}

impl Version {
    fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.value) == (other.kind, &other.value)
    }

    /// The same in both Regions whoever asks: the later one, and of two at once the one with the greater value.
    fn rank(&self) -> (Timestamp, Kind, &Secret) {
        (self.at, self.kind, &self.value)
    }
}

/// A parameter in one Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What it is now.
    pub newest: Version,
    /// The newest version that is no copy; the same as `newest`, or older, or none.
    pub changed: Option<Version>,
}

impl Parameter {
    /// What people last made of it, if that is not what it is.
    fn copied_over(&self) -> Option<&Version> {
        self.changed.as_ref().filter(|changed| !changed.is_like(&self.newest))
    }

    /// Whether it is only what the other Region had.
    fn is_copy(&self) -> bool {
        !self.changed.as_ref().is_some_and(|changed| changed.is_like(&self.newest))
    }
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, or was.
    Written,
    /// It was deleted, in that second.
    Deleted(Timestamp),
}

/// What is done in the other Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is as it should be.
    Nothing,
    /// Write this.
    Put(Version),
    /// Delete it, and write this: a parameter's type cannot be changed.
    Replace(Version),
    /// Delete it.
    Delete,
}

/// Decides from what stands in both Regions now.
#[must_use]
pub fn decide(change: Change, here: Option<&Parameter>, there: Option<&Parameter>) -> Decision {
    match (here, there) {
        (None, Some(there)) if is_gone(change, there) => Decision::Delete,
        // What people wrote there, the other Region's function copies to here; once no copy of what is gone covers it.
        (None, Some(there)) => there.copied_over().map_or(Decision::Nothing, |changed| Decision::Put(changed.clone())),
        (None, None) => Decision::Nothing,
        // Deleted there: the other Region's function deletes the copy here.
        (Some(here), None) if here.is_copy() => Decision::Nothing,
        (Some(here), None) => Decision::Put(here.newest.clone()),
        (Some(here), Some(there)) => agree(latest(here, there), &there.newest),
    }
}

/// Whether what stands there goes with what is gone here: a copy does, and what people wrote there does unless they wrote
/// it after the deletion.
fn is_gone(change: Change, there: &Parameter) -> bool {
    match (&there.changed, change) {
        (None, _) => true,
        (Some(changed), Change::Deleted(at)) => changed.at < at.plus_millis(EVENT_RESOLUTION),
        (Some(_), Change::Written) => false,
    }
}

fn latest<'a>(here: &'a Parameter, there: &'a Parameter) -> &'a Version {
    let later = |one: &'a Version, other: &'a Version| if one.rank() >= other.rank() { one } else { other };
    match (&here.changed, &there.changed) {
        (Some(here), Some(there)) => later(here, there),
        (Some(changed), None) | (None, Some(changed)) => changed,
        (None, None) => later(&here.newest, &there.newest),
    }
}

fn agree(wanted: &Version, there: &Version) -> Decision {
    let tier = wanted.tier.max(there.tier);
    let version = Version { tier, ..wanted.clone() };
    if wanted.kind != there.kind {
        Decision::Replace(version)
    } else if wanted.value != there.value || tier != there.tier {
        Decision::Put(version)
    } else {
        Decision::Nothing
    }
}
