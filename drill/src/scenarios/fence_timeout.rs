//! The Region that is left does not answer, so that nobody can say whether it writes: the plan's policy decides (X1).

use super::{Play, Scenario, failed_over_once};
use crate::stage::{Asks, Evidence, Stage};
use crate::staging::{Fencing, Staging};
use crate::verdict::{self, Check};
use crate::world::Site;

/// The primary Region is blacked out while the plan says what that means for its fences.
pub(super) enum FenceTimeout {
    /// The failover goes on.
    BestEffort,
    /// A person is asked, and approves.
    Approved,
    /// A person is asked, and declines.
    Declined,
    /// Nothing is fenced.
    Off,
}

impl Scenario for FenceTimeout {
    fn name(&self) -> &'static str {
        match self {
            Self::BestEffort => "fence-timeout-best-effort",
            Self::Approved => "fence-timeout-required",
            Self::Declined => "fence-timeout-declined",
            Self::Off => "fence-timeout-off",
        }
    }

    fn does(&self) -> &'static str {
        match self {
            Self::BestEffort => {
                "Loses the primary Region, whose fences cannot be confirmed, with fencing as best effort."
            }
            Self::Approved => "Loses the primary Region while the plan requires its fences, and approves when asked.",
            Self::Declined => "Loses the primary Region while the plan requires its fences, and declines when asked.",
            Self::Off => "Loses the primary Region while the plan wants no fencing.",
        }
    }

    fn expects(&self) -> &'static str {
        match self {
            Self::BestEffort => {
                "The failover waits for the fences for their time and no longer, and reports them as timed out."
            }
            Self::Approved => {
                "Nothing is changed until a person has said that it may go on; then the failover succeeds."
            }
            Self::Declined => "The run fails without having changed anything.",
            Self::Off => "The failover succeeds, and no fence is tried.",
        }
    }

    fn staging(&self) -> Staging {
        let fencing = match self {
            Self::BestEffort => Fencing::BestEffort,
            Self::Approved | Self::Declined => Fencing::Required,
            Self::Off => Fencing::Off,
        };
        Staging { fencing, ..Staging::default() }
    }

    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a> {
        Box::pin(async move {
            stage.lose(Site::Primary);
            let ordered = stage.raise_alarm().await?;
            match self {
                Self::BestEffort | Self::Off => stage.await_run("failing over", ordered, Some(Site::Standby)).await,
                Self::Approved => {
                    let question = stage.await_question(Asks::Fencing).await?;
                    stage.answer(&question.approve).await?;
                    stage.await_run("failing over once approved", ordered, Some(Site::Standby)).await
                }
                Self::Declined => {
                    let question = stage.await_question(Asks::Fencing).await?;
                    stage.answer(&question.decline).await?;
                    stage.await_run("giving up once declined", ordered, None).await
                }
            }
        })
    }

    fn judge(&self, evidence: &Evidence) -> Vec<Check> {
        match self {
            Self::BestEffort => failed_over(evidence, Some("timed_out")),
            Self::Off => {
                let mut checks = failed_over(evidence, None);
                checks.push(verdict::nothing_fenced(evidence, Site::Primary));
                checks
            }
            Self::Approved => {
                let mut checks = failed_over(evidence, Some("timed_out"));
                for run in &evidence.runs {
                    checks.push(verdict::asked_for_the_fences(evidence, run, Site::Primary));
                    checks.push(verdict::nothing_changed_before_the_answer(evidence, run));
                }
                checks
            }
            Self::Declined => declined(evidence),
        }
    }
}

fn failed_over(evidence: &Evidence, fences: Option<&str>) -> Vec<Check> {
    let mut checks = failed_over_once(evidence, Site::Standby);
    for run in &evidence.runs {
        checks.push(verdict::fences_reported(evidence, run, Site::Primary, fences));
    }
    checks
}

fn declined(evidence: &Evidence) -> Vec<Check> {
    let mut checks = Vec::new();
    for run in &evidence.runs {
        checks.extend([
            verdict::refused(run, "declined"),
            verdict::asked_for_the_fences(evidence, run, Site::Primary),
            verdict::people_told(run, &["considered", "started", "FAILED"]),
            verdict::ledger_complete(evidence, run, &["trigger", "decide", "fences"]),
        ]);
    }
    checks.extend([
        verdict::changes_made(evidence, &[]),
        verdict::world_unchanged(evidence),
        verdict::ledger_has_nothing_else(evidence),
        verdict::nothing_denied(evidence),
        verdict::nothing_undelivered(evidence),
    ]);
    checks
}
