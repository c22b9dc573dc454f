//! The one error type. Its code is the `errorType` that the state machine's `Retry` and `Catch` match on (F4).

use std::fmt;

use lambda_runtime::Diagnostic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws_call::{CallError, Meaning, Sent};
use crate::contract::Generation;

/// The longest path of a field that an error repeats, in characters. Errors go into logs, into an execution's history
/// and into messages to people, and some fields are named by whoever sends them.
const LONGEST_FIELD: usize = 300;
/// The longest problem with a field, in characters.
const LONGEST_PROBLEM: usize = 1_000;

/// What went wrong, in the terms that decide what happens next. Messages leave the source out: [`chain`] adds it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS did not do it, and asking again is safe: not sent, throttled, or a read that failed.
    #[error("{doing} did not go through; nothing was changed by it, and it is tried again")]
    Transient {
        /// What was being done.
        doing: String,
        /// The call that failed.
        source: CallError,
    },
    /// Another invocation holds a live lease on the operation.
    #[error("operation {operation_id} is being worked on by another invocation, for at most {lease_left_ms} ms more")]
    InProgress {
        /// The operation's key in the ledger.
        operation_id: String,
        /// How long its lease still runs, in milliseconds.
        lease_left_ms: u64,
    },
    /// The operation is under way, and whoever asked cannot be told so in an answer.
    #[error("operation {operation_id} is under way: {waiting_for}. Ask again")]
    Unfinished {
        /// The operation's key in the ledger.
        operation_id: String,
        /// What is being waited for.
        waiting_for: String,
    },
    /// A change may or may not have been applied.
    #[error("{doing}: it is not known whether AWS applied it; the next look observes before anything is sent again")]
    OutcomeUnknown {
        /// What was being done.
        doing: String,
        /// The call whose outcome is unknown.
        source: CallError,
    },
    /// A gate said no.
    #[error("refused: {reason}. To go on: {cure}")]
    Refused {
        /// Why.
        reason: String,
        /// What an operator can do about it.
        cure: String,
    },
    /// A newer failover of the same plan exists.
    #[error(
        "generation {generation} of plan {plan} is superseded by generation {current}; this run may change nothing any more"
    )]
    Superseded {
        /// The plan.
        plan: String,
        /// The caller's generation.
        generation: Generation,
        /// The ledger's.
        current: Generation,
    },
    /// The operation's key was used for a different request.
    #[error(
        "operation {operation_id} was begun with a different request; give the new request a failover id or idempotency key of its own"
    )]
    PayloadMismatch {
        /// The operation's key in the ledger.
        operation_id: String,
    },
    /// The request, event or plan cannot be used.
    #[error("{field}: {problem}")]
    InvalidRequest {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The function's environment cannot be used.
    #[error("environment variable {variable}: {problem}")]
    Config {
        /// The variable's name.
        variable: String,
        /// What is wrong with it.
        problem: String,
    },
    /// AWS says that the function's role may not do it.
    #[error("{doing} was denied; the function's role lacks the permission that the message of AWS names")]
    Denied {
        /// What was being done.
        doing: String,
        /// The call that was denied.
        source: CallError,
    },
    /// AWS answered what it should never answer, or the code contradicts itself.
    #[error("{doing}: {problem}. This is a defect of the orchestrator; please report it")]
    Bug {
        /// What was being done.
        doing: String,
        /// What contradicts.
        problem: String,
    },
}

/// The codes, as the state machine sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ErrorCode {
    /// See [`Error::Transient`].
    #[serde(rename = "Failover.Transient")]
    Transient,
    /// See [`Error::InProgress`] and [`Error::Unfinished`].
    #[serde(rename = "Failover.InProgress")]
    InProgress,
    /// See [`Error::OutcomeUnknown`].
    #[serde(rename = "Failover.OutcomeUnknown")]
    OutcomeUnknown,
    /// See [`Error::Refused`].
    #[serde(rename = "Failover.Refused")]
    Refused,
    /// See [`Error::Superseded`].
    #[serde(rename = "Failover.Superseded")]
    Superseded,
    /// See [`Error::PayloadMismatch`].
    #[serde(rename = "Failover.PayloadMismatch")]
    PayloadMismatch,
    /// See [`Error::InvalidRequest`].
    #[serde(rename = "Failover.InvalidRequest")]
    InvalidRequest,
    /// See [`Error::Config`].
    #[serde(rename = "Failover.Config")]
    Config,
    /// See [`Error::Denied`].
    #[serde(rename = "Failover.Denied")]
    Denied,
    /// See [`Error::Bug`].
    #[serde(rename = "Failover.Bug")]
    Bug,
}

/// What the state machine does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Retry with backoff and jitter.
    Retry,
    /// Ask again: the ledger makes the function observe before it acts.
    AskAgain,
    /// Stop safely and tell a person.
    Stop,
    /// End quietly: somebody newer is at work.
    Yield,
    /// Fail: repeating cannot help.
    Fail,
}

impl ErrorCode {
    /// Every code, for the tests that hold the state machine against them.
    pub const ALL: [Self; 10] = [
        Self::Transient,
        Self::InProgress,
        Self::OutcomeUnknown,
        Self::Refused,
        Self::Superseded,
        Self::PayloadMismatch,
        Self::InvalidRequest,
        Self::Config,
        Self::Denied,
        Self::Bug,
    ];

    /// The `errorType` of the Lambda answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "Failover.Transient",
            Self::InProgress => "Failover.InProgress",
            Self::OutcomeUnknown => "Failover.OutcomeUnknown",
            Self::Refused => "Failover.Refused",
            Self::Superseded => "Failover.Superseded",
            Self::PayloadMismatch => "Failover.PayloadMismatch",
            Self::InvalidRequest => "Failover.InvalidRequest",
            Self::Config => "Failover.Config",
            Self::Denied => "Failover.Denied",
            Self::Bug => "Failover.Bug",
        }
    }

    /// What the state machine does about it.
    #[must_use]
    pub const fn disposition(self) -> Disposition {
        match self {
            Self::Transient => Disposition::Retry,
            Self::InProgress | Self::OutcomeUnknown => Disposition::AskAgain,
            Self::Refused => Disposition::Stop,
            Self::Superseded => Disposition::Yield,
            Self::PayloadMismatch | Self::InvalidRequest | Self::Config | Self::Denied | Self::Bug => Disposition::Fail,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// The error's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Transient { .. } => ErrorCode::Transient,
            Self::InProgress { .. } | Self::Unfinished { .. } => ErrorCode::InProgress,
            Self::OutcomeUnknown { .. } => ErrorCode::OutcomeUnknown,
            Self::Refused { .. } => ErrorCode::Refused,
            Self::Superseded { .. } => ErrorCode::Superseded,
            Self::PayloadMismatch { .. } => ErrorCode::PayloadMismatch,
            Self::InvalidRequest { .. } => ErrorCode::InvalidRequest,
            Self::Config { .. } => ErrorCode::Config,
            Self::Denied { .. } => ErrorCode::Denied,
            Self::Bug { .. } => ErrorCode::Bug,
        }
    }

    /// A request, event or plan that cannot be used because of one of its fields. Both texts may repeat what was found,
    /// which may be of any length: what is too long is cut short.
    #[must_use]
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidRequest {
            field: shortened(field.into(), LONGEST_FIELD),
            problem: shortened(problem.into(), LONGEST_PROBLEM),
        }
    }

    /// A read that failed. Reads change nothing, so their outcome is never unknown.
    #[must_use]
    pub fn from_read(doing: impl Into<String>, source: CallError) -> Self {
        let doing = doing.into();
        match source.meaning {
            Meaning::Denied => Self::Denied { doing, source },
            Meaning::Invalid => Self::Bug { doing, problem: source.to_string() },
            Meaning::Throttled
            | Meaning::Conflict
            | Meaning::Forbidden
            | Meaning::NotFound
            | Meaning::Unavailable
            | Meaning::Unreachable => Self::Transient { doing, source },
        }
    }

    /// A change that failed: whether it can have been applied decides first, then what it means.
    #[must_use]
    pub fn from_change(doing: impl Into<String>, source: CallError) -> Self {
        match source.sent {
            Sent::PossiblyApplied => Self::OutcomeUnknown { doing: doing.into(), source },
            // A read may look too early, but a change is planned on what was seen: repeating it cannot help.
            Sent::NotSent | Sent::Rejected if source.meaning == Meaning::NotFound => Self::Refused {
                reason: format!("{}: {source}", doing.into()),
                cure: "create what AWS does not find, or correct the request, and start the run again".to_owned(),
            },
            Sent::NotSent | Sent::Rejected if source.meaning == Meaning::Forbidden => Self::Refused {
                reason: format!("{}: {source}", doing.into()),
                cure: "satisfy the rule that AWS names, or have the request override it, and start the run again"
                    .to_owned(),
            },
            Sent::NotSent | Sent::Rejected => Self::from_read(doing, source),
        }
    }
}

/// The text, or as many characters of it, and a sign that there were more.
fn shortened(text: String, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The error's message, followed by those of its sources.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.code().to_string(), error_message: chain(&error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_code_is_the_one_that_serde_writes() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("a code"), code.as_str());
        }
    }

    #[test]
    fn what_was_found_is_repeated_up_to_a_limit() {
        let error = Error::invalid("f".repeat(LONGEST_FIELD), "é".repeat(LONGEST_PROBLEM));
        assert_eq!(error.to_string(), format!("{}: {}", "f".repeat(LONGEST_FIELD), "é".repeat(LONGEST_PROBLEM)));
        let error = Error::invalid("f".repeat(LONGEST_FIELD + 1), "é".repeat(1_000_000));
        assert_eq!(error.to_string(), format!("{}…: {}…", "f".repeat(LONGEST_FIELD), "é".repeat(LONGEST_PROBLEM)));
    }

    #[test]
    fn a_diagnostic_carries_the_code_and_the_whole_chain() {
        let source = CallError::rejected("rds", "FailoverGlobalCluster", "ThrottlingException", "Rate exceeded");
        let error = Error::from_change("promoting", source);
        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, "Failover.Transient");
        assert!(diagnostic.error_message.contains("promoting"), "{}", diagnostic.error_message);
        assert!(diagnostic.error_message.contains("Rate exceeded"), "{}", diagnostic.error_message);
    }

    #[test]
    fn a_change_of_what_does_not_exist_is_refused_and_a_read_of_it_is_tried_again() {
        let source = CallError::rejected("route53", "ChangeResourceRecordSets", "NoSuchHealthCheck", "No check h1");
        let refused = Error::from_change("shifting", source.clone());
        assert_eq!(refused.code(), ErrorCode::Refused);
        assert!(refused.to_string().contains("shifting") && refused.to_string().contains("No check h1"), "{refused}");
        assert_eq!(Error::from_read("reading", source).code(), ErrorCode::Transient);
    }

    #[test]
    fn a_change_that_a_rule_forbids_is_refused_with_the_rules_text() {
        let source = CallError::rejected("x", "UpdateRoutingControlStates", "ConflictException", "rule at-least-one");
        let refused = Error::from_change("shifting", CallError { meaning: Meaning::Forbidden, ..source });
        assert_eq!(refused.code(), ErrorCode::Refused);
        assert!(refused.to_string().contains("rule at-least-one"), "{refused}");
    }

    #[test]
    fn a_change_that_may_have_been_applied_is_never_called_transient() {
        for meaning in Meaning::ALL {
            let source =
                CallError { meaning, sent: Sent::PossiblyApplied, ..CallError::rejected("rds", "X", "Y", "z") };
            assert_eq!(Error::from_change("x", source).code(), ErrorCode::OutcomeUnknown);
        }
    }
}
