//! What the preflights of all ways have in common (X4). Pure but for [`Reading::of`], which takes an answer apart.

use failover::aws_call::{CallError, Meaning};
use failover::contract::{Dependency, Finding, Region};

/// What a failover cannot do while a check's blocker stands.
pub const BLOCKS: &str = "moving the traffic";

/// What came of reading something that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// It is there.
    Found(T),
    /// AWS says that it does not exist.
    Missing(String),
    /// The function's role may not read it.
    Denied(String),
    /// There was no answer that says anything.
    Unknown(String),
}

impl<T> Reading<T> {
    /// An answer, by what it says of the thing.
    #[must_use]
    pub fn of(answer: Result<T, CallError>) -> Self {
        match answer {
            Ok(found) => Self::Found(found),
            Err(error) => {
                let text = error.to_string();
                match error.meaning {
                    Meaning::NotFound | Meaning::Invalid => Self::Missing(text),
                    Meaning::Denied => Self::Denied(text),
                    Meaning::Throttled
                    | Meaning::Conflict
                    | Meaning::Forbidden
                    | Meaning::Unavailable
                    | Meaning::Unreachable => Self::Unknown(text),
                }
            }
        }
    }

    /// The finding: what `judge` says of what was found, otherwise why it was not. `create` cures that it is missing.
    pub fn finding(&self, check: &str, subject: &str, create: &str, judge: impl FnOnce(&T) -> Finding) -> Finding {
        match self {
            Self::Found(found) => judge(found),
            Self::Missing(why) => Finding::blocker(check, subject, why, BLOCKS, create),
            Self::Denied(why) => {
                Finding::blocker(check, subject, why, BLOCKS, "permit it in the role of shift-dns, by its parameters")
            }
            Self::Unknown(why) => Finding::unknown(check, subject, why, "check again; see what AWS answers"),
        }
    }
}

/// Whether a failover out of the Regions that are left needs one of them itself.
#[must_use]
pub fn independent_of_the_lost_region(depends_on: &[Dependency], left: &[&Region]) -> Vec<Finding> {
    const CHECK: &str = "independent-of-the-lost-region";
    let one = |plane: &Dependency| match left.iter().find(|region| plane.needs(region)) {
        Some(region) => Finding::warning(
            CHECK,
            plane.to_string(),
            format!("traffic cannot be moved out of {region} when this is lost with it"),
            "add a way of moving traffic that does not need it, such as standby_object or routing_control",
        ),
        None => Finding::ok(CHECK, plane.to_string(), "does not stand in a Region that is left alone"),
    };
    depends_on.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use failover::contract::Severity;

    use super::*;

    fn region(name: &str) -> Region {
        Region::parse(name).expect("a Region")
    }

    #[test]
    fn a_plane_in_the_region_that_is_left_is_worth_a_warning() {
        let (virginia, frankfurt) = (region("us-east-1"), region("eu-central-1"));
        let five = [virginia.clone(), region("us-west-2"), frankfurt.clone()];
        for (plane, left, expected) in [
            (Dependency::route53(), &virginia, Severity::Warning),
            (Dependency::route53(), &frankfurt, Severity::Ok),
            (Dependency::s3(&frankfurt), &frankfurt, Severity::Warning),
            (Dependency::s3(&frankfurt), &virginia, Severity::Ok),
            (Dependency::routing_control(&five), &virginia, Severity::Ok),
            (Dependency::global_accelerator(), &region("us-west-2"), Severity::Warning),
        ] {
            let findings = independent_of_the_lost_region(std::slice::from_ref(&plane), &[left]);
            let severities: Vec<Severity> = findings.iter().map(|finding| finding.severity).collect();
            assert_eq!(severities, [expected], "{plane} from {left}");
            assert_eq!(findings[0].subject, plane.to_string());
        }
    }

    #[test]
    fn what_is_missing_or_denied_blocks_and_what_does_not_answer_is_unknown() {
        let judged = |reading: &Reading<u8>| {
            reading.finding("a-check", "it", "create it", |_| Finding::ok("a-check", "it", "is there"))
        };
        let rejected = |code| Reading::of(Err(CallError::rejected("s3", "ListBucket", code, "says AWS")));
        let silent =
            CallError { meaning: Meaning::Unreachable, ..CallError::rejected("s3", "ListBucket", "", "silence") };
        for (reading, expected, cure) in [
            (Reading::Found(1), Severity::Ok, None),
            (rejected("NoSuchBucket"), Severity::Blocker, Some("create it")),
            (
                rejected("AccessDenied"),
                Severity::Blocker,
                Some("permit it in the role of shift-dns, by its parameters"),
            ),
            (Reading::of(Err(silent)), Severity::Unknown, Some("check again; see what AWS answers")),
        ] {
            let finding = judged(&reading);
            assert_eq!((finding.severity, finding.cure.as_deref()), (expected, cure), "{reading:?}");
        }
    }
}
