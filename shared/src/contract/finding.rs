//! What a preflight finds (X4): one finding for each check, whether or not something is wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The check, in kebab-case, such as `engine-versions-match`.
    pub check: String,
    /// What was checked: a cluster, a service, a record.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in one sentence.
    pub message: String,
    /// What cannot be done as long as it is so; none when nothing is held up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<String>,
    /// What to do about it; none when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// How bad a finding is, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// A failover works, less well than it could.
    Warning,
    /// Could not be checked. A Region that does not answer may be the reason for the failover.
    Unknown,
    /// A failover would fail.
    Blocker,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(check: &str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(check, subject, Severity::Ok, message)
    }

    /// Works, less well than it could. `cure` says what to do.
    #[must_use]
    pub fn warning(
        check: &str,
        subject: impl Into<String>,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { cure: Some(cure.into()), ..Self::new(check, subject, Severity::Warning, message) }
    }

    /// Could not be checked.
    #[must_use]
    pub fn unknown(
        check: &str,
        subject: impl Into<String>,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { cure: Some(cure.into()), ..Self::new(check, subject, Severity::Unknown, message) }
    }

    /// A failover would fail: `blocks` says what of it, `cure` what to do.
    #[must_use]
    pub fn blocker(
        check: &str,
        subject: impl Into<String>,
        message: impl Into<String>,
        blocks: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            blocks: Some(blocks.into()),
            cure: Some(cure.into()),
            ..Self::new(check, subject, Severity::Blocker, message)
        }
    }

    fn new(check: &str, subject: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            subject: subject.into(),
            severity,
            message: message.into(),
            blocks: None,
            cure: None,
        }
    }
}
