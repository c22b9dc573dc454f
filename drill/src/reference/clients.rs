//! What a workload's clients saw, for the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Course;
use crate::moment::{seconds, whole_millis};

/// What clients saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clients {
    /// Payments that they sent.
    pub payments: usize,
    /// Payments that were acknowledged in the end.
    pub acknowledged: usize,
    /// Requests that failed, by how; each was sent again.
    pub failed_requests: BTreeMap<String, usize>,
    /// The longest time without an acknowledgement, in milliseconds.
    pub without_service_ms: u64,
    /// Acknowledged payments that are in no store.
    pub lost: usize,
    /// Payments that were charged twice.
    pub doubled: usize,
    /// Payments of the last moment before the loss, which the other Region did not have yet and got by being sent again.
    pub sent_again: usize,
    /// The moves, in their order.
    pub moves: Vec<Followed>,
}

/// How clients followed the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// What moved it, in words.
    pub run: String,
    /// The Region that it went to.
    pub to: String,
    /// From the alarm or the order until names or dials led there, in milliseconds.
    pub led_there_ms: Option<u64>,
    /// From the alarm or the order until the first payment was acknowledged from there, in milliseconds.
    pub paid_there_ms: Option<u64>,
}

impl Clients {
    /// Sums a course up.
    #[must_use]
    pub fn of(course: &Course) -> Self {
        let (takings, audit) = (&course.takings, &course.audit);
        let failed = takings.failed();
        Self {
            payments: takings.sent(),
            acknowledged: takings.acknowledged(),
            failed_requests: failed.into_iter().map(|(failure, count)| (failure.to_string(), count)).collect(),
            without_service_ms: takings.longest_gap().map_or(0, |gap| whole_millis(gap.length)),
            lost: audit.lost.len(),
            doubled: audit.doubled.len(),
            sent_again: audit.charged_anew.len(),
            moves: course
                .moves
                .iter()
                .map(|one| Followed {
                    run: one.run.label.clone(),
                    to: one.to.clone(),
                    led_there_ms: one.led_there.map(|at| whole_millis(at.since(one.run.ordered))),
                    paid_there_ms: one.paid_there.map(|at| whole_millis(at.since(one.run.ordered))),
                })
                .collect(),
        }
    }

    /// Line by line, for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let failed: usize = self.failed_requests.values().sum();
        let kinds: Vec<String> = self.failed_requests.iter().map(|(how, count)| format!("{count} {how}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let mut lines = vec![
            format!(
                "{} payments sent, {} acknowledged, {} lost, {} doubled",
                self.payments, self.acknowledged, self.lost, self.doubled
            ),
            format!(
                "{failed} requests failed{kinds} and were sent again; {} without service",
                seconds(self.without_service_ms)
            ),
        ];
        if self.sent_again > 0 {
            lines.push(format!(
                "{} payments were not replicated yet when the Region was lost, and were sent again",
                self.sent_again
            ));
        }
        for one in &self.moves {
            let after =
                |time: Option<u64>| time.map_or_else(|| "never".to_owned(), |ms| format!("after {}", seconds(ms)));
            lines.push(format!(
                "{}: names lead to {} {}, the first payment there {}",
                one.run,
                one.to,
                after(one.led_there_ms),
                after(one.paid_there_ms)
            ));
        }
        lines
    }
}
